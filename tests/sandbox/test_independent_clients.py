"""Published clients of the real API, unchanged, work against the sandbox: so the sandbox is not merely what we think.

They are installed by name into a folder of their own under `.cache/` and stay there for the next run.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.world import API_KEY, ROOT, SECRET, TOKEN, Receiver, World

CACHE = ROOT / ".cache" / "independent-clients"
CLIENTS = Path(__file__).parent / "clients"
PYCALENDLY = "pycalendly==1.1.0"
CONNECTOR, BMERCH = "binance-pay-connector==1.0.0", "bmerch@0.0.8"
INSTALLING_S = 240

pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALLING_S + 60)]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Several test processes may want to install at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def connector_python() -> Path:
    """A Python that has the connector and what it needs, and nothing of ours."""
    return _python_with("py", CONNECTOR)


@pytest.fixture(scope="session")
def pycalendly_python() -> Path:
    return _python_with("pycalendly", PYCALENDLY)


def _python_with(name: str, package: str) -> Path:
    home = CACHE / name
    python, done = home / "bin" / "python", home / "installed"
    with _one_at_a_time():
        if not done.exists():
            _run([sys.executable, "-m", "venv", "--clear", str(home)])
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])
            done.touch()
    return python


@pytest.fixture(scope="session")
def bmerch_module() -> Path:
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("Node is not installed: bmerch, an npm package, is left out")
    home = CACHE / "node"
    module = home / "node_modules" / "bmerch" / "dist" / "index.js"
    with _one_at_a_time():
        if not (home / "installed").exists():
            _run([npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", "--ignore-scripts", BMERCH])
            (home / "installed").touch()
    return module


def _run(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=INSTALLING_S, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


class Connector:
    def __init__(self, python: Path, world: World) -> None:
        self._command = [str(python), "-I", str(CLIENTS / "connector.py"), world.url, API_KEY, SECRET]

    def do(self, method: str, *args: object, **kwargs: object) -> Any:
        step = [method, {"args": args, "kwargs": kwargs}]
        return json.loads(_run(self._command, json.dumps([step])))[0]


@pytest.fixture
def connector(connector_python: Path, world: World) -> Connector:
    return Connector(connector_python, world)


def _v2_order(**changed: object) -> dict[str, Any]:
    goods = {"goodsType": "02", "goodsCategory": "Z000", "referenceGoodsId": "7876763A3B", "goodsName": "Ice Cream"}
    return {
        "env": {"terminalType": "WEB"}, "merchantTradeNo": secrets.token_hex(16), "orderAmount": 25.17,
        "currency": "USDT", "goods": goods,
    } | changed  # fmt: skip


def test_the_connector_creates_v2_and_queries_and_closes(connector: Connector) -> None:
    order = _v2_order()
    created = connector.do("new_order", order)
    queried = connector.do("get_order", prepayId=created["data"]["prepayId"])
    closed = connector.do("cancel_order", merchantTradeNo=order["merchantTradeNo"])
    after = connector.do("get_order", merchantTradeNo=order["merchantTradeNo"])

    assert (created["status"], created["code"]) == ("SUCCESS", "000000")
    assert created["data"]["totalFee"] == "25.17"
    assert (queried["data"]["status"], queried["data"]["orderAmount"]) == ("INITIAL", "25.17000000")
    assert closed["data"] is True
    assert after["data"]["status"] == "CANCELED"


def test_the_connector_creates_v3_by_its_signed_request(connector: Connector) -> None:
    goods = [_v2_order()["goods"]]
    order = _v2_order(description="Café \N{SNOWMAN} call", goodsDetails=goods)
    created = connector.do("send_signed_request", "POST", "/binancepay/openapi/v3/order", order)

    assert created["status"] == "SUCCESS"
    assert created["data"]["prepayId"].isdigit()


def test_the_connector_refunds_and_queries_the_refund(connector: Connector, world: World) -> None:
    order = _v2_order()
    prepay_id = connector.do("new_order", order)["data"]["prepayId"]
    world.pay(order)
    refunded = connector.do("refund_order", "refund-1", prepay_id, 25.17, refundReason="test")
    queried = connector.do("get_refund_order", "refund-1")

    assert (refunded["data"]["refundedAmount"], refunded["data"]["duplicateRequest"]) == ("25.17000000", "N")
    assert queried["data"]["refundStatus"] == "REFUND_SUCCESS"
    assert world.status(order) == "FULL_REFUNDED"


def test_the_connector_reads_the_certificates(connector: Connector) -> None:
    read = connector.do("send_signed_request", "POST", "/binancepay/openapi/certificates", {})

    assert read["status"] == "SUCCESS"
    assert read["data"][0]["certPublic"].startswith("-----BEGIN PUBLIC KEY-----")


def test_the_connector_is_refused_like_by_the_real_one(connector_python: Path, world: World) -> None:
    connector = Connector(connector_python, world)
    connector._command[-1] = "another secret"

    assert connector.do("get_order", prepayId="1")["code"] == "400002"


class Bmerch:
    def __init__(self, module: Path, world: World) -> None:
        self._start = ["node", str(CLIENTS / "bmerch.mjs"), module.as_uri(), world.url, API_KEY, SECRET]

    def do(self, what: str, given: object = None) -> Any:
        return json.loads(_run([*self._start, what], json.dumps(given)))


@pytest.fixture
def bmerch(bmerch_module: Path, world: World) -> Bmerch:
    return Bmerch(bmerch_module, world)


def test_bmerch_creates_an_order(bmerch: Bmerch, world: World) -> None:
    order = _v2_order(orderAmount="5.00", buyer={"referenceBuyerId": "b1", "buyerName": {"firstName": "A"}})
    created = bmerch.do("create", order)

    assert created["status"] == "SUCCESS"
    assert created["data"]["checkoutUrl"].startswith(world.url)
    assert world.status(order) == "INITIAL"


def test_bmerch_reads_the_certificates(bmerch: Bmerch) -> None:
    read = bmerch.do("certificates")

    assert read["status"] == "SUCCESS"
    assert set(read["data"][0]) == {"certSerial", "certPublic"}


def test_bmerch_tells_genuine_webhooks_from_altered_and_forged_ones(
    bmerch: Bmerch, world: World, receiver: Receiver
) -> None:
    order = _v2_order(webhookUrl=receiver.url)
    bmerch.do("create", order)
    for count, notify in enumerate(("forged", "altered", "now"), start=1):
        world.pay(order, notify=notify)
        receiver.wait_for(count)
    given: list[dict[str, Any]] = [{"headers": one.headers, "body": one.body.decode()} for one in receiver.received]
    given.append(given[-1] | {"body": given[-1]["body"] + " "})

    assert bmerch.do("verify", given) == [False, False, True, False]


# --- Calendly -------------------------------------------------------------------------------------------------------


class Pycalendly:
    def __init__(self, python: Path, world: World) -> None:
        self._python, self._world = python, world

    def do(self, method: str, *, token: str = TOKEN, **arguments: object) -> Any:
        command = [str(self._python), "-I", str(CLIENTS / "calendly_reader.py"), f"{self._world.url}/calendly", token]
        return json.loads(_run(command, json.dumps([[method, arguments]])))[0]


@pytest.fixture
def pycalendly(pycalendly_python: Path, world: World) -> Pycalendly:
    return Pycalendly(pycalendly_python, world)


def test_pycalendly_reads_the_account_and_its_event_types(pycalendly: Pycalendly) -> None:
    me = pycalendly.do("about")["resource"]

    types = pycalendly.do("list_event_types", user_uri=me["uri"], count=2)
    one = pycalendly.do("get_event_type", uuid=types["collection"][0]["uri"].rpartition("/")[2])

    assert me["timezone"]
    assert len(types["collection"]) == 2
    assert types["pagination"]["next_page_token"]
    assert one["resource"]["slug"] == types["collection"][0]["slug"]
    assert len(pycalendly.do("get_all_event_types", user_uri=me["uri"])) >= 4


def test_pycalendly_reads_an_event_and_who_is_invited(pycalendly: Pycalendly, world: World) -> None:
    booked = world.schedule("quick-question", world.free_times("quick-question")[3]).json()
    event, invitee = (booked[what]["uri"].rpartition("/")[2] for what in ("event", "invitee"))
    me = pycalendly.do("about")["resource"]["uri"]

    listed = pycalendly.do("list_events", user_uri=me, status="active")["collection"]
    details = pycalendly.do("get_event_details", uuid=event)["resource"]
    invited = pycalendly.do("list_event_invitees", uuid=event)["collection"]
    person = pycalendly.do("get_event_invitee", event_uuid=event, invitee_uuid=invitee)["resource"]

    assert booked["event"]["uri"] in [one["uri"] for one in listed]
    assert (details["status"], details["uri"]) == ("active", booked["event"]["uri"])
    assert [one["uri"] for one in invited] == [person["uri"]] == [booked["invitee"]["uri"]]


def test_pycalendly_is_refused_like_by_the_real_one(pycalendly: Pycalendly) -> None:
    assert pycalendly.do("about", token="made up") == {"refused": "Unauthenticated: The access token is invalid - []"}
    missing = pycalendly.do("get_event_details", uuid="nothing")
    assert missing == {"refused": "Resource Not Found: The server could not find the requested resource. - []"}
