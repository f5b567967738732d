"""Signatures, ours and theirs, against the published vectors and against a key of our own."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from structlog.testing import capture_logs

from inspired.adapters.providers.binance import WebhookHeaders, sign
from inspired.adapters.providers.binance_certificates import WAITING_MOST, MongoShelf, OwnShelf
from inspired.domain.shared.errors import BadSignature, UpstreamError
from tests.adapters.listeners import answer, answering, answering_json, listening
from tests.adapters.merchants import OTHER_KEY, PRIVATE_KEY, Unlimited, a_merchant, certificates, signed
from tests.harness import free_port, wait_until

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "binance-pay-vectors.json").read_text())
BODY = b'{"bizType":"PAY","bizId":363969700195475457}'
HALF_A_DAY = 12 * 3600
WRONG, UNKNOWN = r"^the signature is wrong$", r"^unknown certificate serial$"


# --- ours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["hmac"], ids=lambda vector: vector["name"][:30])
def test_requests_are_signed_as_published(vector):
    body = vector["body"].encode()
    assert len(body) == vector["body_utf8_len"]

    assert sign(vector["secret"].encode(), vector["timestamp"], vector["nonce"], body) == vector["signature"]


def test_what_is_signed_is_what_is_sent():
    with listening(answering_json(lambda: {"status": "SUCCESS", "code": "000000", "data": True})) as server:
        a_merchant(server.address, secret_key="s").close("é☕")

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    nonce, timestamp = headers["BinancePay-Nonce"], headers["BinancePay-Timestamp"]
    assert headers["BinancePay-Signature"] == sign(b"s", timestamp, nonce, body)
    assert headers["BinancePay-Certificate-SN"] == "sandbox-api-key"
    assert headers["content-type"] == "application/json"
    assert len(nonce) == 32
    assert nonce.isalpha()
    assert len(timestamp) == 13


def test_a_nonce_is_not_used_twice():
    with listening(answering_json(lambda: certificates())) as server:
        merchant = a_merchant(server.address)
        for _ in range(20):
            merchant.certificates()

    nonces = {request.split(b"BinancePay-Nonce: ")[1][:32] for request in server.requests}
    assert len(nonces) == 20


# --- theirs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["rsa"], ids=lambda vector: vector["name"])
def test_notices_are_verified_as_published(vector):
    headers = WebhookHeaders("S", vector["nonce"], vector["timestamp"], vector["signature_b64"])

    with listening(answering_json(lambda: certificates(S=vector["public_key_pem"]))) as server:
        merchant = a_merchant(server.address)
        if vector["valid"]:
            merchant.verify_webhook(headers, vector["body"].encode())
        else:
            with pytest.raises(BadSignature, match=WRONG):
                merchant.verify_webhook(headers, vector["body"].encode())


def test_the_vectors_hold_some_that_must_fail():
    assert sorted({vector["valid"] for vector in VECTORS["rsa"]}) == [False, True]


@pytest.fixture
def keys():
    """What the certificates call answers at the moment; tests change it."""
    return {"ONE": PRIVATE_KEY}


@pytest.fixture
def provider(keys):
    with listening(answering_json(lambda: certificates(**keys))) as server:
        yield server


@pytest.fixture
def clock():
    """Seconds that pass only when a test says so."""
    return [1000.0]


@pytest.fixture
def merchant(provider, clock):
    return merchant_at(provider.address, clock)


def merchant_at(address, clock, **more):
    """Both of its clocks are the test's."""
    begun = datetime(2027, 3, 1, tzinfo=UTC)
    return a_merchant(address, elapsed=lambda: clock[0], now=lambda: begun + timedelta(seconds=clock[0]), **more)


def test_one_changed_byte_in_body_or_headers_is_a_wrong_signature(merchant):
    headers = signed(BODY)
    merchant.verify_webhook(headers, BODY)

    for wrong, body in [
        (headers, BODY.replace(b"PAY", b"PAX")),
        (headers, BODY + b"\n"),
        (headers, BODY.replace(b":", b": ")),
        (headers, b""),
        (replace(headers, timestamp="1700000000001"), BODY),
        (replace(headers, nonce=headers.nonce[::-1]), BODY),
        (replace(headers, nonce="é☕"), BODY),
        (replace(headers, signature=signed(b"other").signature), BODY),
        (signed(BODY, key=OTHER_KEY), BODY),
    ]:
        with pytest.raises(BadSignature, match=WRONG):
            merchant.verify_webhook(wrong, body)


@pytest.mark.parametrize("name", ["serial", "nonce", "timestamp", "signature"])
def test_a_missing_header_is_refused_without_asking_anybody(merchant, provider, name):
    with pytest.raises(BadSignature, match=r"^a header is missing$"):
        merchant.verify_webhook(replace(signed(BODY), **{name: ""}), BODY)

    assert provider.requests == []


@pytest.mark.parametrize("signature", ["not base64!", "é", "AAA", "\x00"])
def test_a_signature_that_is_not_base64_is_refused_without_asking_anybody(merchant, provider, signature):
    with pytest.raises(BadSignature, match=r"^not base64$"):
        merchant.verify_webhook(replace(signed(BODY), signature=signature), BODY)

    assert provider.requests == []


def test_the_secret_of_our_own_requests_verifies_nothing(merchant):
    headers = signed(BODY)
    ours = sign(b"sandbox-secret-key", headers.timestamp, headers.nonce, BODY)

    with pytest.raises(BadSignature):
        merchant.verify_webhook(replace(headers, signature=ours), BODY)


def test_an_unknown_serial_is_refused_after_asking_once(merchant, provider):
    with pytest.raises(BadSignature, match=UNKNOWN):
        merchant.verify_webhook(signed(BODY, serial="TWO"), BODY)

    assert len(provider.requests) == 1


def test_certificates_are_fetched_once_for_many_notices(merchant, provider):
    for _ in range(20):
        merchant.verify_webhook(signed(BODY), BODY)

    assert len(provider.requests) == 1


def test_a_new_key_is_found_at_its_first_notice_and_the_old_one_stays_while_listed(merchant, provider, keys, clock):
    merchant.verify_webhook(signed(BODY), BODY)
    keys["TWO"] = OTHER_KEY
    clock[0] += 5

    merchant.verify_webhook(signed(BODY, key=OTHER_KEY, serial="TWO"), BODY)
    merchant.verify_webhook(signed(BODY), BODY)

    assert len(provider.requests) == 2
    with pytest.raises(BadSignature):
        merchant.verify_webhook(signed(BODY, key=PRIVATE_KEY, serial="TWO"), BODY)


def test_a_withdrawn_key_is_gone_after_half_a_day(merchant, keys, clock):
    merchant.verify_webhook(signed(BODY), BODY)
    keys.clear()
    keys["TWO"] = OTHER_KEY

    clock[0] += HALF_A_DAY - 1
    merchant.verify_webhook(signed(BODY), BODY)
    clock[0] += 1
    with pytest.raises(BadSignature, match=UNKNOWN):
        merchant.verify_webhook(signed(BODY), BODY)


def test_a_known_key_is_used_on_while_the_certificates_cannot_be_fetched_again(clock):
    answers = [answer(json.dumps(certificates(ONE=PRIVATE_KEY)).encode()), answer(b"", status="500 Oh")]

    with listening(lambda connection, _: connection.sendall(answers.pop(0))) as server:
        merchant = merchant_at(server.address, clock)
        merchant.verify_webhook(signed(BODY), BODY)
        clock[0] += HALF_A_DAY + 1
        merchant.verify_webhook(signed(BODY), BODY)

    assert len(server.requests) == 2


def test_while_certificates_cannot_be_fetched_nothing_is_said_about_the_signature():
    with pytest.raises(UpstreamError):
        a_merchant(f"http://127.0.0.1:{free_port()}").verify_webhook(signed(BODY), BODY)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "HTTP 200, not JSON"),
        (b"[]", "HTTP 200, not an envelope"),
        (b'{"status":"SUCCESS","code":"000000","data":{}}', "certificates are not a list"),
        (b'{"status":"SUCCESS","code":"000000","data":[7]}', "the answer has another shape"),
    ],
)
def test_certificates_in_a_shape_nobody_knows_are_a_failure_of_the_service(body, told):
    with listening(answering(body)) as server, pytest.raises(UpstreamError, match=f"^binance: {told}$"):
        a_merchant(server.address).certificates()


def test_certificates_that_are_no_rsa_keys_are_left_out_and_unreadable_ones_noted():
    odd = ed25519.Ed25519PrivateKey.generate().public_key()
    odd_pem = odd.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    listed = certificates(TWO="-----BEGIN nonsense", THREE=odd_pem, ONE=PRIVATE_KEY)
    listed["data"] += [{"certPublic": listed["data"][-1]["certPublic"], "certSerial": 7}, {}]

    with listening(answering_json(lambda: listed)) as server, capture_logs() as logs:
        assert set(a_merchant(server.address).certificates()) == {"ONE"}

    noted = [line for line in logs if line["log_level"] == "warning"]
    assert noted == [{"event": "certificate_unreadable", "service": "binance", "log_level": "warning"}] * 2


def test_a_notice_waits_for_the_certificates_less_long_than_whoever_asks_for_them_alone(provider):
    asked = []

    class Watched(Unlimited):
        def take(self, *, urgent, seconds):
            asked.append((urgent, seconds))
            return super().take(urgent=urgent, seconds=seconds)

    merchant = a_merchant(provider.address, throttle=Watched())
    merchant.verify_webhook(signed(BODY), BODY)
    merchant.certificates()

    assert asked == [(True, 2.0), (True, 5.0)]


def forge(merchant, number=0, **more):
    """Answers what became of a notice under a serial of nobody's."""
    try:
        merchant.verify_webhook(signed(BODY, serial=f"FORGED{number}"), BODY, **more)
    except (BadSignature, UpstreamError) as error:
        return type(error)


def test_forged_serials_make_us_ask_once_in_five_seconds(merchant, provider, clock):
    for number in range(1000):  # a hundred a second
        forge(merchant, number)
        clock[0] += 0.01

    assert len(provider.requests) == 2


def test_a_changed_key_is_taken_up_within_five_seconds_beside_a_hundred_forged_notices_each(
    merchant, provider, clock, keys
):
    merchant.verify_webhook(signed(BODY), BODY)
    for number in range(300):
        forge(merchant, number)
        clock[0] += 0.01
    keys.clear()
    keys["TWO"] = OTHER_KEY
    changed, new = clock[0], signed(BODY, key=OTHER_KEY, serial="TWO")

    def is_taken():
        with contextlib.suppress(BadSignature, UpstreamError):
            merchant.verify_webhook(new, BODY)
            return True
        return False

    while not is_taken():
        for number in range(100):
            forge(merchant, number)
            clock[0] += 0.01
        assert clock[0] < changed + 10
    assert clock[0] <= changed + 6


def test_forged_serials_spend_thirty_questions_an_hour_whoever_is_asked(provider, clock, keys):
    shelf = OwnShelf()
    processes = [merchant_at(provider.address, clock, shelf=shelf) for _ in range(4)]
    begun = clock[0]
    while clock[0] < begun + 3600:
        for process in processes:
            forge(process)
        clock[0] += 1

    assert len(provider.requests) == 30
    assert forge(processes[0]) is BadSignature, "the first of the thirty is an hour ago"


def test_after_that_nothing_is_said_of_an_unknown_serial_but_that_it_has_to_come_again(merchant, clock):
    for _ in range(31):
        forge(merchant)
        clock[0] += 5

    assert forge(merchant) is UpstreamError


def test_a_notice_that_names_an_order_of_ours_has_questions_of_its_own(merchant, provider, clock, keys):
    for _ in range(31):
        forge(merchant)
        clock[0] += 5
    keys["TWO"] = OTHER_KEY

    assert forge(merchant, order=lambda: "") is UpstreamError
    merchant.verify_webhook(signed(BODY, key=OTHER_KEY, serial="TWO"), BODY, order=lambda: "order1")

    assert len(provider.requests) == 31


def test_but_a_few_for_each_order_and_no_more_of_all_than_strangers_have(merchant, provider, clock):
    for _ in range(31):
        forge(merchant)
        clock[0] += 5
    spent = len(provider.requests)

    for _ in range(10):
        forge(merchant, order=lambda: "order1")
        clock[0] += 5
    of_one = len(provider.requests) - spent
    for number in range(100):
        forge(merchant, order=lambda number=number: f"another{number}")
        clock[0] += 5

    assert of_one == 3
    assert len(provider.requests) - spent == 30


def test_what_one_process_has_fetched_all_others_know(provider, clock, keys, database):
    one, other = (merchant_at(provider.address, clock, shelf=MongoShelf(database)) for _ in range(2))
    one.verify_webhook(signed(BODY), BODY)
    other.verify_webhook(signed(BODY), BODY)
    assert len(provider.requests) == 1

    keys["TWO"] = OTHER_KEY
    clock[0] += 6
    for process in (one, other):
        process.verify_webhook(signed(BODY, key=OTHER_KEY, serial="TWO"), BODY)

    assert len(provider.requests) == 2


def test_processes_that_ask_at_the_same_moment_ask_once(provider, clock, database):
    processes = [merchant_at(provider.address, clock, shelf=MongoShelf(database)) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(forge, processes))

    assert len(provider.requests) == 1


def test_forged_notices_hold_a_few_threads_at_most_while_certificates_are_on_their_way(clock):
    ready = threading.Event()

    with listening(slowly(ready)) as server, ThreadPoolExecutor(WAITING_MOST) as pool:
        merchant = merchant_at(server.address, clock)
        held = [pool.submit(forge, merchant, seconds=10) for _ in range(WAITING_MOST)]
        wait_until(lambda: server.requests and merchant._certificates._waiting._value == 0, what="those that wait")
        with pytest.raises(UpstreamError, match=r"^binance: certificates are being fetched$"):
            merchant.verify_webhook(signed(BODY, serial="ONE TOO MANY"), BODY, seconds=10)
        assert not any(one.done() for one in held)
        ready.set()


def test_an_outage_is_not_hammered_either_and_is_told_as_one_and_ends_by_itself(clock, keys):
    down = [True]

    def behave(connection, request):
        connection.sendall(
            answer(b"", status="502 Oh") if down[0] else answer(json.dumps(certificates(**keys)).encode())
        )

    with listening(behave) as server:
        merchant = merchant_at(server.address, clock)
        with pytest.raises(UpstreamError, match=r"^binance: HTTP 502, not JSON$"):
            merchant.verify_webhook(signed(BODY), BODY)
        for _ in range(50):
            with pytest.raises(UpstreamError, match=r"^binance: certificates may not be asked for again yet$"):
                merchant.verify_webhook(signed(BODY), BODY)
        assert len(server.requests) == 1

        for _ in range(50):
            clock[0] += 1
            with pytest.raises(UpstreamError):
                merchant.verify_webhook(signed(BODY), BODY)
        assert len(server.requests) == 1 + 50 / 5

        down[0] = False
        clock[0] += 5
        merchant.verify_webhook(signed(BODY), BODY)


def test_a_known_key_that_is_old_is_used_on_right_after_a_failed_fetch(clock):
    answers = [answer(json.dumps(certificates(ONE=PRIVATE_KEY)).encode()), answer(b"", status="500 Oh")]

    with listening(lambda connection, _: connection.sendall(answers.pop(0))) as server:
        merchant = merchant_at(server.address, clock)
        merchant.verify_webhook(signed(BODY), BODY)
        clock[0] += HALF_A_DAY + 1
        for _ in range(5):
            merchant.verify_webhook(signed(BODY), BODY)

    assert len(server.requests) == 2


def slowly(until: threading.Event):
    def behave(connection, request):
        until.wait(5)
        connection.sendall(answer(json.dumps(certificates(ONE=PRIVATE_KEY)).encode()))

    return behave


def test_notices_that_arrive_together_fetch_the_certificates_once():
    together = threading.Barrier(9)
    ready = threading.Event()

    def verify(merchant):
        together.wait(5)
        merchant.verify_webhook(signed(BODY), BODY, seconds=10)

    with listening(slowly(ready)) as server, ThreadPoolExecutor(8) as pool:
        merchant = a_merchant(server.address)
        waiting = [pool.submit(verify, merchant) for _ in range(8)]
        together.wait(5)
        wait_until(lambda: server.requests, what="the first question")
        ready.set()
        for done in waiting:
            done.result(10)

    assert len(server.requests) == 1


def test_while_somebody_fetches_a_known_key_does_not_wait_and_an_unknown_one_not_for_ever(clock):
    ready = threading.Event()
    ready.set()

    with listening(slowly(ready)) as server, ThreadPoolExecutor(1) as pool:
        merchant = merchant_at(server.address, clock)
        merchant.verify_webhook(signed(BODY), BODY)
        ready.clear()
        clock[0] += 5
        fetching = pool.submit(merchant.verify_webhook, signed(BODY, serial="X"), BODY, seconds=10)
        wait_until(lambda: len(server.requests) == 2, what="the second question")
        clock[0] += HALF_A_DAY + 1

        merchant.verify_webhook(signed(BODY), BODY, seconds=10)
        assert not fetching.done()
        with pytest.raises(UpstreamError, match=r"^binance: certificates are being fetched$"):
            merchant.verify_webhook(signed(BODY, serial="Y"), BODY, seconds=0.05)

        ready.set()
        with pytest.raises(BadSignature, match=UNKNOWN):
            fetching.result(10)


def test_with_a_pinned_certificate_no_other_is_accepted_even_if_listed(keys, provider):
    keys["TWO"] = OTHER_KEY
    merchant = a_merchant(provider.address, pinned_serial="TWO")

    merchant.verify_webhook(signed(BODY, key=OTHER_KEY, serial="TWO"), BODY)
    with pytest.raises(BadSignature, match=r"^not the pinned certificate$"):
        merchant.verify_webhook(signed(BODY), BODY)


def test_a_rotated_key_of_the_sandbox_is_among_its_certificates(sandbox):
    merchant = a_merchant(sandbox.sandbox)
    assert merchant.certificates()

    serial = sandbox.control("rotate-key", {})["certSerial"]

    assert serial in merchant.certificates()
