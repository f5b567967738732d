"""Published clients of the real API, unchanged, work against the sandbox: so the sandbox is not merely what we think.

They are installed by name into a folder of their own under `.cache/` and stay there for the next run.
"""

from __future__ import annotations

import fcntl
import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect

from tests.sandbox.world import API_KEY, ROOT, SECRET, TOKEN, Receiver, World

CACHE = ROOT / ".cache" / "independent-clients"
CLIENTS = Path(__file__).parent / "clients"
PYCALENDLY = "pycalendly==1.1.0"
CONNECTOR, BMERCH = "binance-pay-connector==1.0.0", "bmerch@0.0.8"
REACT_CALENDLY = ("react-calendly@4.4.0", "react@19.3.1", "react-dom@19.3.1", "esbuild@0.28.2")
INSTALLING_S = 240
CALENDLY, SHOP, TOKYO = "https://calendly.com", "https://shop.example/", ZoneInfo("Asia/Tokyo")
PAGE = '<!doctype html><html lang="en"><title>Shop</title><div id="root"></div></html>'

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
    return _node_modules_with("node", BMERCH) / "bmerch" / "dist" / "index.js"


@pytest.fixture(scope="session")
def react_calendly_script() -> str:
    """Our page's script with react-calendly and React in it, as a site would bundle them."""
    modules = _node_modules_with("react-calendly", *REACT_CALENDLY)
    bundle = ["node", str(modules / "esbuild" / "bin" / "esbuild"), "--bundle", "--loader=jsx", "--jsx=automatic"]
    return _run(bundle, (CLIENTS / "react_calendly.jsx").read_text(encoding="utf-8"), cwd=modules.parent)


def _node_modules_with(name: str, *packages: str) -> Path:
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip(f"Node is not installed: {packages[0]}, an npm package, is left out")
    home = CACHE / name
    with _one_at_a_time():
        if not (home / "installed").exists():
            quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
            _run([npm, "install", "--prefix", str(home), *quiet, *packages])
            (home / "installed").touch()
    return home / "node_modules"


def _run(command: list[str], text: str = "", cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, input=text, cwd=cwd, capture_output=True, text=True, timeout=INSTALLING_S, check=False
    )
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


class Shop:
    """A page with react-calendly's widget in it. What its frame asks of calendly.com, the sandbox answers."""

    def __init__(self, page: Page, world: World, script: str) -> None:
        self.problems: list[str] = []
        self._page, self._world = page, world
        page.set_default_timeout(10_000)
        page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.route("**/*", lambda route: route.abort())
        page.route(f"{CALENDLY}/**", self._answer)
        page.route(SHOP, lambda route: route.fulfill(content_type="text/html", body=PAGE))
        page.goto(SHOP)
        page.add_script_tag(content=script)

    def _answer(self, route: Route) -> None:
        there = route.request.url.replace(CALENDLY, self._world.url, 1)
        route.fulfill(response=route.fetch(url=there, max_redirects=0))

    def show(self, path: str, **properties: object) -> FrameLocator:
        url = f"{CALENDLY}/calendly/schedule/inspired-analyst{path}"
        self._page.evaluate("properties => show(properties)", {"url": url, **properties})
        return self._page.frame_locator("iframe[title='Calendly Scheduling Page']")

    def heard(self, last: str) -> list[tuple[str, Any]]:
        """Which handlers of react-calendly were called, and with what payload, up to the last one to come."""
        self._page.wait_for_function("last => heard.some((one) => one.by === last)", arg=last)
        heard = self._page.evaluate("heard")
        assert {one["origin"] for one in heard} == {CALENDLY}
        assert all(one["data"].keys() == {"event", "payload"} for one in heard)
        return [(one["by"], one["data"]["payload"]) for one in heard]


@pytest.fixture
def shop(browser: Browser, react_calendly_script: str, world: World) -> Iterator[Shop]:
    with browser.new_context(timezone_id=TOKYO.key) as context:
        shop = Shop(context.new_page(), world, react_calendly_script)
        yield shop
        assert shop.problems == []


def _without_heights(heard: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [one for one in heard if one[0] != "onPageHeightResize"]


@pytest.mark.browser
def test_react_calendly_hears_of_a_booking_from_the_first_look_on(shop: Shop, world: World) -> None:
    frame = shop.show("/deep-dive")
    expect(frame.get_by_text("Times in")).to_contain_text(TOKYO.key)
    month = frame.locator("strong").first
    first_month = month.inner_text()
    frame.get_by_label("Next month").click()
    expect(month).not_to_have_text(first_month)
    day = frame.locator("a.day").nth(3)
    day.click()
    expect(day).to_have_attribute("aria-current", "date")
    time = frame.get_by_role("radio").nth(1)
    time.check()
    start = datetime.fromisoformat(str(time.get_attribute("value")))
    frame.get_by_label("Name").fill("Ada Lovelace")
    frame.get_by_label("Email").fill("ada@example.com")
    frame.get_by_role("button", name="Schedule Event").click()
    heard = shop.heard("onEventScheduled")

    event = world.look("events")[0]
    read = world.calendly("GET", event["uri"]).json()["resource"]
    invitee = world.calendly("GET", event["invitee"]["uri"]).json()["resource"]
    assert _without_heights(heard) == [
        ("onEventTypeViewed", {}),
        ("onDateAndTimeSelected", {}),
        ("onEventScheduled", {"event": {"uri": event["uri"]}, "invitee": {"uri": event["invitee"]["uri"]}}),
    ]
    heights = [payload for by, payload in heard if by == "onPageHeightResize"]
    assert heights
    assert all(one.keys() == {"height"} and re.fullmatch(r"[1-9]\d*px", one["height"]) for one in heights)
    assert (read["status"], datetime.fromisoformat(read["start_time"])) == ("active", start)
    assert (invitee["name"], invitee["email"]) == ("Ada Lovelace", "ada@example.com")
    assert (invitee["timezone"], set(invitee["tracking"].values())) == (TOKYO.key, {None})


@pytest.mark.browser
def test_what_react_calendly_is_given_reaches_the_page_and_the_event(shop: Shop, world: World) -> None:
    start = datetime.fromisoformat(world.free_times("mentoring")[-1]).astimezone(TOKYO)
    who = {"name": "Zoë & Ada Lovelace", "email": "ada+calls@example.com"}
    marks = {"utmCampaign": "spring", "utmSource": "shop", "utmMedium": "a page", "utmContent": "order=7&8"}
    marks |= {"utmTerm": "calls", "salesforce_uuid": "0035e"}
    colours = {"backgroundColor": "#112233", "textColor": "#ddeeff", "primaryColor": "cc3300"}
    frame = shop.show(
        "/mentoring", prefill={**who, "date": start}, utm=marks, pageSettings={**colours, "hideEventTypeDetails": True}
    )

    expect(frame.get_by_text("Times in")).to_contain_text(TOKYO.key)
    expect(frame.get_by_label("Name")).to_have_value(who["name"])
    expect(frame.get_by_label("Email")).to_have_value(who["email"])
    expect(frame.locator("a.day[aria-current]")).to_have_text(str(start.day))
    expect(frame.get_by_role("heading")).to_have_count(0)
    expect(frame.locator("body")).to_have_css("background-color", "rgb(17, 34, 51)")
    expect(frame.locator("body")).to_have_css("color", "rgb(221, 238, 255)")
    button = frame.get_by_role("button", name="Schedule Event")
    expect(button).to_have_css("background-color", "rgb(204, 51, 0)")
    frame.get_by_label(f"{start:%H:%M}").check()
    button.click()
    booked = dict(shop.heard("onEventScheduled"))["onEventScheduled"]

    event = world.calendly("GET", booked["event"]["uri"]).json()["resource"]
    invitee = world.calendly("GET", booked["invitee"]["uri"]).json()["resource"]
    assert datetime.fromisoformat(event["start_time"]) == start
    assert {name: invitee[name] for name in who} == who
    assert invitee["tracking"] == {re.sub("(?=[A-Z])", "_", name).lower(): mark for name, mark in marks.items()}
    expect(frame.locator("body")).to_have_css("background-color", "rgb(17, 34, 51)")


@pytest.mark.browser
def test_react_calendly_hears_of_a_look_at_the_profile_and_of_what_follows(shop: Shop) -> None:
    frame = shop.show("", prefill={"name": "Ada Lovelace"})
    viewed = shop.heard("onProfilePageViewed")
    frame.get_by_role("link", name="Quick question").click()
    expect(frame.get_by_label("Name")).to_have_value("Ada Lovelace")

    assert _without_heights(viewed) == [("onProfilePageViewed", {})]
    assert _without_heights(shop.heard("onEventTypeViewed"))[1:] == [("onEventTypeViewed", {})]
