"""Who is refused whatever he asks for begins nothing new; and it ends by itself. The same with Redis and without."""

import pytest

from tests.adapters.redis.test_throttle import Clock, a_throttle, without_redis


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["shared", "alone"])
def throttle(request, connection, clock):
    return a_throttle(connection if request.param == "shared" else without_redis(), clock)


class Calls:
    """Calls of one throttle, a second apart: what is known of them may be a second old."""

    def __init__(self, throttle, clock):
        self._throttle, self._clock = throttle, clock

    def permit(self):
        self._clock.forward(1)
        return self._throttle.take(urgent=True, seconds=2.0)

    def refused(self, call="query", times=1, code="400004"):
        for _ in range(times):
            permit = self.permit()
            self._throttle.refused(permit, call, code=code, words="No.", sells=call == "create")

    def answered(self, call="query"):
        self._throttle.answered(self.permit(), call)

    def refusal(self, *, after=1):
        self._clock.forward(after)
        return self._throttle.state().refusal


@pytest.fixture
def calls(throttle, clock):
    return Calls(throttle, clock)


def test_three_refusals_in_a_row_of_whatever_calls_say_so_and_two_do_not(calls, clock):
    calls.refused("query")
    first = clock.now()
    calls.refused("create")
    before = calls.refusal()
    calls.refused("certificates", code="400002")

    after = calls.refusal()
    assert before is None
    assert (after.code, after.words, after.times, after.since) == ("400002", "No.", 3, first)
    assert after.told == (
        "400002 “No.”: Our signature is not accepted: BINANCE_PAY_SECRET_KEY does not belong to BINANCE_PAY_API_KEY."
    )


def test_an_answer_in_between_makes_them_none_in_a_row(calls):
    for _ in range(4):
        calls.refused("query", 2)
        calls.answered("query")

    assert calls.refusal() is None


def test_orders_that_are_refused_count_whatever_else_is_answered_meanwhile(calls):
    for _ in range(3):
        calls.refused("create")
        calls.answered("query")

    assert calls.refusal().times == 3


def test_refunds_that_are_refused_meanwhile_keep_nobody_from_paying(calls):
    for _ in range(5):
        calls.refused("refund")
        calls.answered("query")

    assert calls.refusal() is None


def test_the_first_answer_to_a_call_that_was_refused_ends_it(calls):
    calls.refused("create", 3)
    calls.refused("certificates")
    calls.answered("certificates")

    assert calls.refusal() is None
    calls.refused("create", 2)
    assert calls.refusal() is None, "and the count begins anew"


def test_where_only_orders_are_refused_other_answers_do_not_end_it_and_the_next_order_is_tried_after_ten_minutes(calls):
    calls.refused("create", 3)
    calls.answered("certificates")
    during = calls.refusal(after=590)

    over = calls.refusal(after=20)
    calls.refused("create")
    again = calls.refusal()
    calls.answered("create")

    assert during is not None
    assert over is None
    assert again.times == 4, "one that is refused again is enough"
    assert calls.refusal() is None


def test_an_answer_to_a_call_sent_before_the_last_refusal_ends_nothing(calls, throttle):
    calls.refused("query", 2)
    early = calls.permit()
    calls.refused("query")

    throttle.answered(early, "query")

    assert calls.refusal() is not None


def test_what_a_clock_that_was_wrong_has_written_down_holds_nobody_up(connection, clock):
    ahead = Clock()
    ahead.forward(11 * 60)
    Calls(a_throttle(connection, ahead), ahead).refused("query", 3, code="400003")
    connection.delete("throttle:binance")  # its budget is another matter
    calls = Calls(a_throttle(connection, clock), clock)

    assert calls.refusal() is None
    calls.answered("query")
    assert connection.keys("refusals*") == []


def test_calls_go_on_since_the_next_may_be_taken(calls):
    calls.refused("query", 10)

    assert calls.permit() is not None


def test_what_lies_in_redis_of_it_is_short_lived(connection, clock):
    calls = Calls(a_throttle(connection, clock), clock)
    calls.refused("create", 3)
    calls.answered("query")

    assert 0 < connection.pttl("refusals:binance") <= 3_600_000
    calls.answered("create")
    assert connection.keys("refusals*") == []


def test_two_processes_know_what_one_of_them_was_told(connection, clock):
    one, two = (Calls(a_throttle(connection, clock), clock) for _ in range(2))
    one.refused("query", 2)
    two.refused("query")

    assert one.refusal() is not None
    two.answered("query")
    assert one.refusal() is None
