"""Our own webhooks: signed so that the published library accepts them, and never sent into a private network."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from inspired.adapters.providers import outgoing_webhooks
from inspired.adapters.providers.http import Http, is_public, leads_outside
from inspired.domain.shared.errors import UpstreamError
from tests.adapters.listeners import Listener, answer, listening


@pytest.fixture
def server() -> Iterator[Listener]:
    with listening(lambda connection, _: connection.sendall(answer(b""))) as one:
        yield one


def test_the_signature_is_the_one_of_the_specification():
    """The example of the published libraries' own tests."""
    at = datetime.fromtimestamp(1614265330, UTC)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    found = outgoing_webhooks.signatures([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_library_accepts_it_and_nothing_altered():
    now, body, secret = datetime.now(UTC), json.dumps({"a": "ü"}).encode(), outgoing_webhooks.new_secret()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    signed = {**headers, "webhook-signature": outgoing_webhooks.signatures([secret], "msg_1", now, body)}

    assert Webhook(secret).verify(body, signed) == {"a": "ü"}
    for altered in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(now.timestamp()) - 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, {**signed, **altered})
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", signed)


def test_every_secret_is_another_one_and_long_enough():
    secrets = {outgoing_webhooks.new_secret() for _ in range(50)}

    assert len(secrets) == 50
    assert all(len(one) > 40 for one in secrets)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ),
        *("64:ff9b::7f00:1", "2002:7f00:1::1", "2001:db8::1", "2001:0:1::1"),
    ],
)
def test_addresses_of_this_machine_and_its_networks_are_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_out_there_are_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "nobody.invalid", "", "a" * 300]
)
def test_a_name_that_leads_home_or_nowhere_leads_not_outside(host: str):
    assert not leads_outside(host.strip("[]"), 443)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_where_only_public_addresses_are_allowed_nothing_is_sent_to_others(server: Listener, scheme: str):
    http = Http(public_only=True)
    address = server.address.replace("http:", f"{scheme}:")

    with pytest.raises(UpstreamError) as failure:
        http.call("webhook", "POST", f"{address}/x", body=b"secret", seconds=2)

    assert not failure.value.maybe_applied
    assert server.requests == []
    http.close()


def test_a_name_that_leads_elsewhere_at_the_second_question_is_caught_at_the_connection(
    server: Listener, monkeypatch: pytest.MonkeyPatch
):
    """DNS rebinding: public when it is looked up, our own network when it is connected to."""
    http, real, asked = Http(public_only=True), socket.getaddrinfo, []

    def rebinding(host: str, port: int, *args: int, **more: int) -> list[object]:
        asked.append(host)
        found = real("127.0.0.1", port, *args, **more)
        public = [(*one[:4], ("1.1.1.1", port)) for one in found]
        return public if len(asked) == 1 else found  # type: ignore[return-value]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = server.address.rpartition(":")[2]

    with pytest.raises(UpstreamError):
        http.call("webhook", "POST", f"http://rebinding.example:{port}/x", body=b"secret", seconds=2)

    assert len(asked) == 2
    assert server.requests == []
    http.close()


@pytest.mark.parametrize(
    ("status", "retryable"), [("500 Oops", True), ("302 Found", True), ("404 Not Found", True), ("410 Gone", False)]
)
def test_whatever_is_not_taken_is_a_failure_and_only_gone_is_for_good(status: str, retryable: bool):
    with listening(lambda connection, _: connection.sendall(answer(b"", status=status))) as server:
        http = Http()

        with pytest.raises(UpstreamError) as failure:
            outgoing_webhooks.send(
                http, server.address, [outgoing_webhooks.new_secret()], "msg_1", datetime.now(UTC), b"{}"
            )

        assert failure.value.retryable is retryable
        assert str(failure.value) == f"webhook: answered {status[:3]}"
        http.close()
