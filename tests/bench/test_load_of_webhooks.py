"""What the measurements under load are made of: the sender, the bookings in bulk, the times of the kills."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from bench import slots, stock, storm, sweep
from bench.sender import Notice, Sender
from inspired.domain.booking.polling import orders_to_ask
from inspired.domain.booking.states import State
from tests.adapters.listeners import answer, answering, listening

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
TAKEN = b'{"returnCode":"SUCCESS","returnMessage":null}'
NOTICES = [
    Notice(f"order{number}", "PAY_SUCCESS", {"BinancePay-Nonce": "n"}, f'{{"n": {number}}}') for number in (1, 2)
]


def test_every_notice_is_sent_once_as_it_is_where_it_is_taken():
    with listening(answering(TAKEN)) as web:
        answers = Sender(web.address, NOTICES, 100).run()

    assert sorted((one.notice.order, one.order, one.status, one.accepted) for one in answers) == [
        ("order1", 1, 200, True),
        ("order2", 1, 200, True),
    ]
    assert sorted(request.rpartition(b"\r\n\r\n")[2] for request in web.requests) == [b'{"n": 1}', b'{"n": 2}']
    assert all(b"POST /api/payments/webhook " in one and b"BinancePay-Nonce: n\r\n" in one for one in web.requests)


def test_what_is_not_taken_is_sent_again_and_given_up_at_last():
    said = iter([answer(b"", status="503 Busy"), answer(b'{"returnCode":"FAIL"}'), answer(TAKEN)])

    with listening(lambda connection, _: connection.sendall(next(said))) as web:
        taken = Sender(web.address, NOTICES[:1], 100).run()
    with listening(lambda connection, _: connection.close()) as web:
        lost = Sender(web.address, NOTICES[:1], 100, retries=1).run()

    assert [(one.order, one.status, one.accepted) for one in taken] == [
        (1, 503, False),
        (2, 200, False),
        (3, 200, True),
    ]
    assert [(one.order, one.status, one.accepted) for one in lost] == [(1, 0, False), (2, 0, False)]


def test_each_is_killed_once_in_the_order_and_at_the_times_of_the_seed():
    times = storm._times(60, random.Random(1))

    assert sorted(name for _, name in times) == sorted(storm.KILLED)
    assert times == sorted(times) == storm._times(60, random.Random(1)) != storm._times(60, random.Random(2))
    assert times[-1][0] < 48


def test_bookings_in_bulk_are_ready_to_be_paid_and_share_nothing():
    bookings = stock.held(3, made_at=NOW, expiry=timedelta(minutes=15))
    live = [stock._created(one, "1") for one in bookings]
    claims = Counter(claim for one in live for claim in one.claims)

    assert [one.state for one in live] == [State.PENDING] * 3
    assert [one.outbox for one in live] == [()] * 3
    assert [len(orders_to_ask(one, NOW)) for one in live] == [1] * 3
    assert set(claims.values()) == {1}
    assert len({one.id for one in live}) == len({one.token for one in live}) == 3


def test_settled_bookings_in_bulk_are_due_never_again_and_share_nothing():
    made = sweep._settled(NOW)
    documents = [next(made) for _ in range(6)]

    assert [one["state"] for one in documents] == ["CONFIRMED", "EXPIRED", "EXPIRED"] * 2
    assert not any("check_at" in one for one in documents)
    assert len({one["_id"] for one in documents}) == len({one["token"] for one in documents}) == 6
    claims = Counter(claim for one in documents for claim in one.get("claims", ()))
    assert set(claims.values()) == {1}
    assert len(claims) == 12


def test_a_month_in_bulk_is_held_without_overlaps_and_listed_without_what_is_taken():
    month = slots._month(NOW, 30)
    documents = slots._documents_of(month)
    held, ran_out = documents[:30], documents[30:]
    claims = Counter(claim for one in documents for claim in one.get("claims", ()))

    assert {one["state"] for one in held} == {"CONFIRMED"}
    assert {one["state"] for one in ran_out} == {"EXPIRED"}
    assert set(claims.values()) == {1}
    assert [one["slot"]["start"] for one in held] == [one["slot"]["start"] for one in ran_out]
    assert any(claim.startswith("day:") for claim in claims)
    assert not any("check_at" in one for one in documents)


def test_what_is_over_in_bulk_is_half_kept_and_claims_no_time_twice():
    documents = slots._documents_over(NOW, 60)
    claims = Counter(claim for one in documents for claim in one.get("claims", ()))

    assert Counter(one["state"] for one in documents) == {"EXPIRED": 30, "CONFIRMED": 30}
    assert set(claims.values()) == {1}
    assert max(one["slot"]["start"] for one in documents) < NOW + timedelta(days=1)


def test_a_notice_is_looked_for_in_the_log_by_what_it_says():
    said = (
        '{"bizType":"PAY","data":"{\\"merchantTradeNo\\":\\"a001\\"}",'
        '"bizIdStr":"12","bizId":12,"bizStatus":"PAY_SUCCESS"}'
    )

    found = storm._log_id(Notice("a001", "PAY_SUCCESS", {}, said))

    assert found.startswith("PAY:12:PAY_SUCCESS:")
    assert found != storm._log_id(Notice("a001", "PAY_SUCCESS", {}, said.replace("a001", "a002")))
