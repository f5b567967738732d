"""One budget, one back-off and one breaker for all processes; the same rules for each alone while Redis is away."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspired.adapters.redis import redis_server
from inspired.adapters.redis.throttle import HeldBack, Silence, Throttle
from tests.adapters.listeners import listening
from tests.harness import free_port, wait_until

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
PART = 64  # of a second: in these steps both clocks are exact


class Clock:
    """Our clock and the one that never jumps, moved by hand."""

    def __init__(self):
        self.parts = 0

    def forward(self, seconds):
        self.parts += round(seconds * PART)

    def now(self):
        return START + timedelta(seconds=self.parts / PART)

    def elapsed(self):
        return self.parts / PART


class Chance:
    """How unlucky we are, set by hand: 0 never waits, 1 waits for the whole of it."""

    def __init__(self, value=1.0):
        self.value = value

    def __call__(self):
        return self.value


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def chance():
    return Chance()


def a_throttle(connection, clock, chance=None, per_second=20, service="binance", silence=None):
    return Throttle(
        connection,
        service=service,
        per_second=per_second,
        now=clock.now,
        chance=chance or Chance(),
        elapsed=clock.elapsed,
        silence=silence,
    )


def without_redis():
    return redis_server.connect(f"redis://127.0.0.1:{free_port()}/0", seconds=0.3)


@pytest.fixture(params=["shared", "alone"])
def throttle(request, connection, clock, chance):
    return a_throttle(connection if request.param == "shared" else without_redis(), clock, chance)


def passes(throttle, *, urgent=True):
    try:
        throttle.take(urgent=urgent, seconds=2.0)
    except HeldBack:
        return False
    return True


def why_held_back(throttle):
    with pytest.raises(HeldBack) as caught:
        throttle.take(urgent=True, seconds=2.0)
    return str(caught.value)


def fail(throttle, times=1, *, clock=None, asked=0):
    """So many calls in a row without a usable answer, each as soon as it is let through."""
    for number in range(times):
        throttle.failed(throttle.take(urgent=True, seconds=2.0), asked=asked)
        if clock is not None and number < times - 1:
            clock.forward(throttle.state().until.timestamp() - clock.now().timestamp())


def opened(throttle, clock):
    fail(throttle, 5, clock=clock)
    assert throttle.state().open


# --- the budget -----------------------------------------------------------------------------------------------------


def test_a_burst_of_two_seconds_goes_through_and_then_the_rate(throttle, clock):
    burst = [passes(throttle) for _ in range(41)]
    clock.forward(1)
    second = [passes(throttle) for _ in range(21)]

    assert burst == [True] * 40 + [False]
    assert second == [True] * 20 + [False]


def test_routine_questions_leave_a_quarter_of_the_burst_to_orders_and_refunds(throttle):
    routine = [passes(throttle, urgent=False) for _ in range(35)]
    urgent = [passes(throttle) for _ in range(12)]

    assert routine == [True] * 30 + [False] * 5
    assert urgent == [True] * 10 + [False] * 2


def test_a_call_that_gets_no_leave_was_surely_never_sent_and_may_be_tried_again(throttle):
    while passes(throttle):
        pass

    with pytest.raises(HeldBack) as caught:
        throttle.take(urgent=True, seconds=2.0)

    assert str(caught.value) == "binance: too many calls at once"
    assert (caught.value.retryable, caught.value.maybe_applied) == (True, False)


def steps_of_a_budget():
    return st.lists(st.tuples(st.integers(0, 3 * PART), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None)
@given(steps=steps_of_a_budget(), per_second=st.sampled_from([1, 3, 20]), is_shared=st.booleans())
def test_in_no_window_more_calls_go_through_than_the_burst_and_the_rate_allow(servers, steps, per_second, is_shared):
    clock, client = Clock(), redis_server.connect(servers.redis_url, seconds=2.0) if is_shared else without_redis()
    if is_shared:
        client.flushdb()
    throttle = a_throttle(client, clock, per_second=per_second)

    let_through = []
    for pause, urgent in steps:
        clock.parts += pause
        let_through += [clock.elapsed() for _ in range(4) if passes(throttle, urgent=urgent)]
    client.close()

    for first, begin in enumerate(let_through):
        for last in range(first, len(let_through)):
            assert last - first + 1 <= 2 * per_second + per_second * (let_through[last] - begin)


# --- backing off ----------------------------------------------------------------------------------------------------


def test_after_a_failure_everybody_waits_twice_as_long_each_time(throttle, clock):
    waits = []
    for _ in range(4):
        fail(throttle)
        waits.append(throttle.state().until - clock.now())
        assert why_held_back(throttle) == "binance: backing off"
        clock.parts += waits[-1] // timedelta(seconds=1 / PART)

    assert [wait.total_seconds() for wait in waits] == [0.5, 1, 2, 4]
    assert passes(throttle)


def test_chance_decides_how_much_of_it_is_waited(throttle, clock, chance):
    chance.value = 0.5
    fail(throttle)
    half = throttle.state().until - clock.now()
    clock.forward(0.25)
    chance.value = 0
    fail(throttle)

    assert half.total_seconds() == 0.25
    assert (throttle.state().until, throttle.state().failures) == (None, 2)
    assert passes(throttle)


def test_failures_far_apart_make_the_wait_a_minute_at_most_and_open_nothing(throttle, clock):
    for _ in range(12):
        fail(throttle)
        wait = throttle.state().until - clock.now()
        clock.forward(90)

    assert wait.total_seconds() == 60
    assert not throttle.state().open


@pytest.mark.parametrize(("asked", "waited"), [(7, 7), (0, 0.5), (100_000, 120)])
def test_what_the_service_asks_for_is_waited_up_to_two_minutes(throttle, clock, asked, waited):
    fail(throttle, asked=asked)

    assert (throttle.state().until - clock.now()).total_seconds() == waited


def test_an_answer_ends_the_waiting_and_the_count(throttle, clock):
    fail(throttle, 3, clock=clock)
    clock.forward(2)

    throttle.answered(throttle.take(urgent=True, seconds=2.0), "query")
    fail(throttle)

    assert throttle.state().failures == 1
    assert (throttle.state().until - clock.now()).total_seconds() == 0.5


def test_an_answer_to_a_call_sent_before_the_failure_ends_nothing(throttle, clock, chance):
    chance.value = 0
    fail(throttle)
    early = throttle.take(urgent=True, seconds=2.0)
    chance.value = 1
    clock.forward(1)
    fail(throttle)

    throttle.answered(early, "query")

    assert throttle.state().failures == 2
    assert not passes(throttle)


# --- the breaker ----------------------------------------------------------------------------------------------------


def test_five_failures_in_a_row_open_it_and_four_do_not(throttle, clock):
    fail(throttle, 4, clock=clock)
    before = throttle.state()
    clock.forward(4)
    fail(throttle)

    assert (before.open, before.word) == (False, "backing off")
    assert (throttle.state().open, throttle.state().failures, throttle.state().word) == (True, 5, "paused")
    assert throttle.state().until == clock.now() + timedelta(seconds=15)
    assert why_held_back(throttle) == "binance: paused, it does not answer"


def test_five_calls_that_are_on_their_way_when_it_fails_count_five_times_and_what_is_later_not_again(throttle, clock):
    on_their_way = [throttle.take(urgent=True, seconds=2.0) for _ in range(9)]
    clock.forward(2)

    for permit in on_their_way:
        throttle.failed(permit)

    assert throttle.state().failures == 5
    assert throttle.state().until == clock.now() + timedelta(seconds=15)


def test_nothing_goes_out_while_it_is_open_whatever_it_is(throttle, clock):
    opened(throttle, clock)

    orders = []
    for _ in range(14):
        clock.forward(1)
        orders += [passes(throttle), passes(throttle, urgent=False)]

    assert not any(orders)


def test_afterwards_one_call_goes_through_and_the_others_wait_for_it(throttle, clock):
    opened(throttle, clock)
    clock.forward(15)
    offered = throttle.state()

    first, second = passes(throttle), passes(throttle)

    assert (offered.open, offered.until, offered.failures) == (False, None, 5)
    assert (first, second) == (True, False)


def test_an_answered_probe_closes_it(throttle, clock):
    opened(throttle, clock)
    clock.forward(15)

    throttle.answered(throttle.take(urgent=False, seconds=2.0), "query")

    assert (throttle.state().open, throttle.state().failures, throttle.state().word) == (False, 0, "ok")
    assert [passes(throttle) for _ in range(5)] == [True] * 5


def test_a_failed_probe_opens_it_for_twice_as_long_each_time_and_two_minutes_and_a_half_part_at_most(throttle, clock):
    opened(throttle, clock)
    waits = []
    for _ in range(6):
        clock.parts += (throttle.state().until - clock.now()) // timedelta(seconds=1 / PART)
        fail(throttle)
        waits.append((throttle.state().until - clock.now()).total_seconds())

    assert waits == [30, 60, 120, 180, 180, 180]


def test_a_probe_that_was_lost_is_followed_by_another_when_its_time_is_over(throttle, clock):
    opened(throttle, clock)
    clock.forward(15)
    assert passes(throttle)  # and whoever sent it dies

    clock.forward(2.5)
    during = passes(throttle)
    clock.forward(0.5)

    assert not during
    assert passes(throttle)


# --- all together ---------------------------------------------------------------------------------------------------


def test_two_processes_spend_one_budget(connection, servers, clock):
    other = redis_server.connect(servers.redis_url, seconds=2.0)
    one, two = a_throttle(connection, clock), a_throttle(other, clock)

    let_through = [passes(one) for _ in range(25)] + [passes(two) for _ in range(25)]
    other.close()

    assert sum(let_through) == 40


def test_two_processes_have_one_breaker_and_what_one_learns_the_other_knows(connection, servers, clock):
    other = redis_server.connect(servers.redis_url, seconds=2.0)
    one, two = a_throttle(connection, clock), a_throttle(other, clock)
    fail(one, 3, clock=clock)
    clock.forward(2)
    fail(two, 2, clock=clock)

    both_open = (one.state().open, two.state().open, passes(one))
    clock.forward(15)
    two.answered(two.take(urgent=True, seconds=2.0), "query")
    clock.forward(1)
    both_closed = (one.state().open, two.state().open, passes(one))
    other.close()

    assert both_open == (True, True, False)
    assert both_closed == (False, False, True)


def test_state_is_read_once_a_second_however_many_pages_ask(connection, clock):
    throttle = a_throttle(connection, clock)
    reads = connection.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"]

    for _ in range(50):
        throttle.state()
    clock.forward(1)
    throttle.state()

    assert connection.info("commandstats")["cmdstat_hmget"]["calls"] == reads + 2


def test_what_lies_in_redis_is_short_lived(connection, clock):
    throttle = a_throttle(connection, clock)
    opened(throttle, clock)

    keys = connection.keys("*")

    assert sorted(keys) == [b"failures:binance", b"throttle:binance"]
    assert all(0 < connection.pttl(key) <= 600_000 for key in keys)


# --- Redis away -----------------------------------------------------------------------------------------------------

STEP = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 20 * PART)),
    st.tuples(st.just("take"), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 3)),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("fail"), st.integers(0, 3)),
)


def walked(throttle, clock, steps):
    """What a process sees that takes these steps. Answers and failures are of one of the last four calls."""
    seen, permits = [], []
    for step, how in steps:
        match step:
            case "wait":
                clock.parts += how
            case "take":
                try:
                    permits.append(throttle.take(urgent=how, seconds=3.0))
                except HeldBack as error:
                    seen.append(str(error))
            case "answer" if permits:
                throttle.answered(permits[-1 - how % len(permits)], "query")
            case "fail" if permits:
                throttle.failed(permits[-1 - how % len(permits)], asked=how * 5)
        seen.append(throttle.state())
    return seen


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=60), luck=st.sampled_from([0, 0.25, 0.999]))
def test_alone_it_is_as_with_redis(servers, steps, luck):
    connection, together, alone = redis_server.connect(servers.redis_url, seconds=2.0), Clock(), Clock()
    connection.flushdb()

    with_redis = walked(a_throttle(connection, together, Chance(luck), per_second=1), together, steps)
    without = walked(a_throttle(without_redis(), alone, Chance(luck), per_second=1), alone, steps)
    connection.close()

    assert without == with_redis


def test_a_frozen_redis_holds_up_one_call_a_second(clock):
    with listening(lambda connection, request: None, read=lambda connection: connection.recv(65536)) as frozen:
        client = redis_server.connect(frozen.address.replace("http", "redis"), seconds=0.3)
        throttle = a_throttle(client, clock)
        let_through = [passes(throttle) for _ in range(30)]
        state = throttle.state()
        once = len(frozen.requests)
        clock.forward(1)
        throttle.take(urgent=True, seconds=2.0)
        client.close()

    assert let_through == [True] * 30
    assert state.word == "ok"
    assert (once, len(frozen.requests)) == (1, 2)


def test_a_frozen_redis_holds_up_one_call_for_all_services(clock):
    with listening(lambda connection, request: None, read=lambda connection: connection.recv(65536)) as frozen:
        client = redis_server.connect(frozen.address.replace("http", "redis"), seconds=0.3)
        silence = Silence(clock.elapsed)
        words = [a_throttle(client, clock, service=f"node-{n}", silence=silence).state().word for n in range(4)]
        client.close()

    assert words == ["ok"] * 4
    assert len(frozen.requests) == 1


def test_when_redis_is_back_it_is_used_again(connection, clock):
    client = without_redis()
    away = a_throttle(client, clock)
    assert passes(away)

    client.connection_pool = connection.connection_pool
    before = connection.exists("throttle:binance")
    clock.forward(1)

    assert before == 0
    assert passes(away)
    assert wait_until(lambda: connection.exists("throttle:binance"), what="an entry")


def test_what_was_let_through_alone_is_told_alone(connection, clock):
    client = without_redis()
    away = a_throttle(client, clock)
    permit = away.take(urgent=True, seconds=2.0)
    client.connection_pool = connection.connection_pool
    clock.forward(2)

    away.failed(permit)

    assert connection.keys("*") == []
