from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from inspired.adapters.mongo.idempotency_keys import KeyUse
from inspired.domain.shared.errors import Conflict, SlotTaken, UpstreamError
from inspired.flows.shared import idempotency
from inspired.services import Services
from tests.flows.steps import hold

BODY = {"a": 1, "email": "Ann@example.com"}


def test_the_same_key_and_body_make_one_booking_even_at_once(svc: Services):
    made: list[str] = []

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: run(svc, made), range(8)))

    assert len(made) == 1
    assert {status for status, _ in results} <= {201, "still at work", "not there"}


def run(svc: Services, made: list[str]):
    from inspired.domain.shared.errors import NotFound

    def make(token: str):
        made.append(token)
        booking = hold(svc, call=3)
        return 201, booking

    try:
        return idempotency.once(svc, "key", BODY, svc.new_token(), make)
    except Conflict:
        return "still at work", None
    except NotFound:
        return "not there", None


def test_another_body_is_a_conflict_whatever_the_order_of_its_fields_was(svc: Services):
    svc.keys.take(_name("k"), KeyUse(idempotency._fingerprint(svc, {"b": 2, "a": 1}), "token", 0, svc.now()))
    svc.keys.answered(_name("k"), 201)

    with pytest.raises(Conflict):
        idempotency.once(svc, "k", {"a": 1, "b": 3}, "token", lambda token: pytest.fail("made twice"))


def _name(key: str) -> str:
    import hashlib

    return hashlib.sha256(key.encode()).hexdigest()


def test_letter_case_in_the_body_matters(svc: Services):
    assert idempotency._fingerprint(svc, {"a": "x"}) != idempotency._fingerprint(svc, {"a": "X"})


def test_a_refusal_is_not_kept(svc: Services):
    def refuse(token: str):
        raise SlotTaken("taken")

    for _ in range(2):
        with pytest.raises(SlotTaken):
            idempotency.once(svc, "key", BODY, svc.new_token(), refuse)

    assert svc.keys.find(_name("key")) is None


def test_where_it_is_not_known_what_came_of_it_the_next_one_goes_on_with_the_same_token_at_once(svc: Services):
    tokens: list[str] = []

    def lost(token: str):
        tokens.append(token)
        raise UpstreamError("calendly", "timeout")

    for _ in range(2):
        with pytest.raises(UpstreamError):
            idempotency.once(svc, "key", BODY, svc.new_token(), lost)

    assert len(set(tokens)) == 1


def test_where_surely_nothing_happened_the_key_is_free_again(svc: Services):
    def refused(token: str):
        raise UpstreamError("calendly", "HTTP 403", retryable=False, maybe_applied=False)

    with pytest.raises(UpstreamError):
        idempotency.once(svc, "key", BODY, svc.new_token(), refused)

    assert svc.keys.find(_name("key")) is None


def test_while_the_first_is_at_work_the_second_waits_and_is_told_when_to_come_again(svc: Services):
    svc.keys.take(_name("key"), KeyUse(idempotency._fingerprint(svc, BODY), "token", 0, svc.now()))

    with pytest.raises(Conflict) as told:
        idempotency.once(svc, "key", BODY, "other", lambda token: pytest.fail("made twice"))

    assert told.value.retry_after == 2


def test_where_a_process_died_at_work_the_next_one_goes_on_with_the_same_token(svc: Services):
    long_ago = svc.now() - timedelta(minutes=1)
    svc.keys.take(_name("key"), KeyUse(idempotency._fingerprint(svc, BODY), "first-token", 0, long_ago))
    tokens = []

    def make(token: str):
        tokens.append(token)
        return 202, hold(svc)

    status, _ = idempotency.once(svc, "key", BODY, "second-token", make)

    assert status == 202
    assert tokens == ["first-token"]


def test_where_a_process_died_after_the_booking_was_made_it_is_answered_and_not_made_again(svc: Services):
    booking = hold(svc)
    long_ago = svc.now() - timedelta(minutes=1)
    svc.keys.take(_name("key"), KeyUse(idempotency._fingerprint(svc, BODY), booking.token, 0, long_ago))

    status, found = idempotency.once(svc, "key", BODY, "other", lambda token: pytest.fail("made twice"))

    assert (status, found.id) == (202, booking.id)
