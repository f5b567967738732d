"""What `inspired dev` gives its children: secrets that stay, ports that stay, and the environment's last word."""

import base64
import importlib.util
import socket
from pathlib import Path

import pytest

from inspired.dev.plan import CannotStart, make_plan


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONGODB_URI", "REDIS_URL", "PAYMENT_EXPIRY_MINUTES", "ADMIN_PASSWORD_HASH"):
        monkeypatch.delenv(name, raising=False)


def test_a_second_start_has_the_same_secrets_and_addresses(tmp_path: Path) -> None:
    for number in range(3):  # a port that another program took meanwhile is another one, as it should be
        folder = tmp_path / str(number)
        with make_plan(folder, None) as first:
            one = first.ready({})
            keys = first.environment["ENCRYPTION_KEYS"]
        with make_plan(folder, None) as second:
            two = second.ready({})
        if two == one:
            break

    assert two == one
    assert second.environment["ENCRYPTION_KEYS"] == keys
    assert len(base64.b64decode(keys.removeprefix("v1:"))) == 32
    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALENDAR", "builtin")
    monkeypatch.setenv("PAYMENT_EXPIRY_MINUTES", "0.2")
    monkeypatch.setenv("BINANCE_PAY_API_KEY", "mine")
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:2")

    with make_plan(tmp_path, None) as plan:
        web = next(part for part in plan.product if part.name == "web").environment
        sandbox = next(part for part in plan.foundations if part.name == "sandbox").environment

    assert (web["CALENDAR"], web["PAYMENT_EXPIRY_MINUTES"]) == ("builtin", "0.2")
    assert web["MONGODB_URI"] == "mongodb://127.0.0.1:1"
    assert sandbox["SANDBOX_API_KEY"] == "mine"
    assert [part.name for part in plan.foundations] == ["sandbox", "mail_catcher"]
    assert plan.ready({"web": 7})["pids"] == {
        **dict.fromkeys(["worker", "clock", "watcher", "mongodb", "redis", "sandbox", "mail_catcher"]),
        "web": 7,
    }
    assert plan.ready({})["chains"] == {
        name: f"{plan.urls['sandbox']}/chains/{name}/jsonrpc" for name in ("TRC20", "BEP20", "ERC20")
    }


def test_without_keys_of_binance_pay_the_product_has_none_and_the_stand_in_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_PAY_API_KEY", "")
    monkeypatch.setenv("BINANCE_PAY_SECRET_KEY", "")
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:2")

    with make_plan(tmp_path, None) as plan:
        web = next(part for part in plan.product if part.name == "web").environment
        sandbox = next(part for part in plan.foundations if part.name == "sandbox").environment

    assert web["BINANCE_PAY_API_KEY"] == web["BINANCE_PAY_SECRET_KEY"] == ""
    assert sandbox["SANDBOX_API_KEY"].startswith("sandbox-key-")
    assert sandbox["SANDBOX_SECRET_KEY"].startswith("sandbox-secret-")


def test_a_platform_without_the_servers_gets_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(CannotStart, match="set MONGODB_URI and REDIS_URL"), make_plan(tmp_path, None):
        pass


def test_a_port_that_is_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=f"Port {port} is in use"), make_plan(tmp_path, port):
            pass


def test_two_plans_at_once_never_share_the_sites_port(tmp_path: Path) -> None:
    with make_plan(tmp_path / "one", None) as one, make_plan(tmp_path / "two", None) as two:
        assert one.urls["web"] != two.urls["web"]
