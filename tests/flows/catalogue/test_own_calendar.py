"""The owner's own calendar: while they are busy there nobody is offered a call, also while it cannot be read."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo.database import Database

from inspired import jobs
from inspired.adapters.mongo.catalogue import Listed
from inspired.adapters.mongo.own_calendar import Known
from inspired.domain.booking.states import State
from inspired.domain.catalogue.availability import Rules
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.errors import SlotTaken
from inspired.domain.shared.slots import Span
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import refreshing
from inspired.flows.catalogue import own_calendar
from inspired.flows.monitoring import sweeping
from inspired.services import Services
from tests.adapters.listeners import answer, listening
from tests.adapters.providers.test_ics_worker import entry, feed
from tests.conftest import Mailbox
from tests.flows.monitoring.test_sweeping import waiting
from tests.flows.steps import confirmed, free_calls, hold, later, live
from tests.harness import Servers, wait_until

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REVIEW = get_meeting_type("portfolio-review")


@dataclass
class Calendar:
    """The owner's, at an address of its own. `status` is what it answers with."""

    url: str = ""
    text: bytes = feed()
    status: str = "200 OK"
    gate: Event = field(default_factory=Event)

    def answers(self, connection: Any, request: bytes) -> None:
        self.gate.wait(30)
        connection.sendall(answer(self.text, status=self.status))

    def has(self, *spans: Span) -> None:
        self.text = feed(
            *(
                entry(f"DTSTART:{one.start:%Y%m%dT%H%M%SZ}", f"DTEND:{one.end:%Y%m%dT%H%M%SZ}", uid=f"{number}")
                for number, one in enumerate(spans)
            )
        )


@pytest.fixture
def theirs() -> Iterator[Calendar]:
    calendar = Calendar()
    calendar.gate.set()
    with listening(calendar.answers) as server:
        calendar.url = f"{server.address}/private-0123456789/basic.ics"
        yield calendar


@pytest.fixture
def env_changes(theirs: Calendar) -> dict[str, str]:
    return {"BUSY_FEED_URLS": theirs.url}


def read(svc: Services) -> Known:
    """What the worker does when it is rung for, and what is known then."""
    for feed_id in svc.own_calendar.feeds:
        own_calendar.read(svc, feed_id)
    return next(iter(svc.own_calendar.known().values()))


# --- what is offered ------------------------------------------------------------------------------------------------


def test_no_call_is_offered_while_the_owner_is_busy_and_the_others_are(svc: Services, theirs: Calendar):
    before = free_calls(svc)
    theirs.has(Span(before[5].start + 10 * MINUTE, before[5].start + 20 * MINUTE))

    read(svc)

    gone = [call for call in before if call not in free_calls(svc)]
    assert before[5] in gone
    assert gone == [
        call for call in before if call.overlaps(Span(before[5].start + 10 * MINUTE, before[5].start + 20 * MINUTE))
    ]


def test_a_time_that_the_owner_is_busy_at_meanwhile_is_not_held(svc: Services, theirs: Calendar):
    call = free_calls(svc)[5]
    theirs.has(call)
    seen = free_calls(svc)
    assert call in seen
    read(svc)

    with pytest.raises(SlotTaken, match="Meanwhile this time was taken"):
        booking_flow.hold_time(
            svc, REVIEW, call.start, "UTC", booking_flow.Customer("ann@example.com"), network="", token=svc.new_token()
        )


def test_nor_is_a_booking_moved_there(svc: Services, sandbox: Servers, theirs: Calendar):
    unpaid, paid = hold(svc, call=0), confirmed(svc, sandbox, call=40, email="bob@example.com")
    there = free_calls(svc)[60]
    theirs.has(there)
    read(svc)

    with pytest.raises(SlotTaken):
        booking_flow.change_time(svc, unpaid.token, there.start, "UTC")
    with pytest.raises(SlotTaken):
        booking_flow.move(svc, paid.token, there.start, "UTC", paid.moves)


def test_bookings_that_stand_are_not_touched(svc: Services, sandbox: Servers, theirs: Calendar):
    booking = live(svc, call=5)
    theirs.has(booking.slot.span)
    read(svc)

    sandbox.control(f"orders/{booking.order.trade_no}/pay", {"notify": "lost"})
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.slot, after.flags) == (State.CONFIRMED, booking.slot, frozenset())


def test_a_call_of_ours_in_the_owners_calendar_does_not_block_its_own_move(
    svc: Services, sandbox: Servers, theirs: Calendar
):
    starts = [one.start for one in free_calls(svc)]
    call = next(at for at, one in enumerate(starts) if at > 20 and one + HOUR in starts)
    booking = confirmed(svc, sandbox, call=call)
    span = booking.slot.span
    theirs.text = feed(
        entry(
            f"DTSTART:{span.start:%Y%m%dT%H%M%SZ}",
            f"DTEND:{span.end:%Y%m%dT%H%M%SZ}",
            uid=f"{booking.id}@inspired-analyst",
        )
    )

    assert read(svc).busy == ()
    moved = booking_flow.move(svc, booking.token, span.start + HOUR, "UTC", booking.moves)
    assert span in free_calls(svc)
    assert moved.slot.span.start == span.start + HOUR


@dataclass
class Fixed:
    """As `OwnCalendar`, of these times."""

    spans: list[Span]

    def busy(self, window: Span) -> list[Span]:
        return [one for one in self.spans if one.overlaps(window)]


TICKS = st.integers(0, 12).map(lambda ticks: ticks * 5 * MINUTE)
SPANS = st.lists(
    st.builds(
        lambda start, length: (timedelta(minutes=start), timedelta(minutes=length)),
        st.integers(0, 14 * 24 * 60), st.integers(1, 3000),
    ),
    max_size=12,
)  # fmt: skip


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(spans=SPANS, before=TICKS, after=TICKS)
def test_what_is_free_is_what_overlaps_no_busy_time_buffers_included(
    svc: Services,
    database: Database[Any],
    spans: list[tuple[timedelta, timedelta]],
    before: timedelta,
    after: timedelta,
):
    now = svc.now()
    busy = [Span(now + start, now + start + length) for start, length in spans]
    database["offer"].delete_many({})
    review = replace(REVIEW, rules=Rules(before=before, after=after))
    svc.catalogue.save_types((Listed(review),), 0)
    window = Span(now, now + 14 * DAY)
    still = replace(svc, now=lambda: now)
    all_of_them = booking_flow.free_times(replace(still, own_calendar=Fixed([])), review, window)

    found = booking_flow.free_times(replace(still, own_calendar=Fixed(busy)), review, window)

    def is_busy(minute: datetime) -> bool:
        return any(one.start < minute + MINUTE and minute < one.end for one in busy)

    def walked(call: Span) -> Iterator[datetime]:
        at = call.start - before
        while at < call.end + after:
            yield at
            at += MINUTE

    assert found == [call for call in all_of_them if not any(map(is_busy, walked(call)))]


# --- read again and again -------------------------------------------------------------------------------------------


def rung(sandbox: Servers) -> int:
    return sum(job == "inspired.jobs.read_own_calendar" for job, _ in waiting(sandbox))


def test_it_is_read_every_ten_minutes(svc: Services, sandbox: Servers):
    for _ in range(3):
        sweeping.sweep_runs(svc)
    assert rung(sandbox) == 1, "and rung for once while somebody may be at it"

    sweeping.sweep_runs(later(svc, seconds=91))
    assert rung(sandbox) == 2, "a lost ring is rung again"

    read(svc)
    sweeping.sweep_runs(later(svc, minutes=9))
    assert rung(sandbox) == 2
    sweeping.sweep_runs(later(svc, minutes=11))
    assert rung(sandbox) == 3


def test_nothing_but_times_is_kept_and_no_address(
    svc: Services, theirs: Calendar, database: Database[Any], sandbox: Servers
):
    theirs.has(free_calls(svc)[5])
    own_calendar.read_soon(svc)
    read(svc)
    theirs.status = "404 Not Found"
    read(svc)

    kept = str(list(database["own_calendar"].find())) + str(waiting(sandbox))
    assert "busy" in kept
    for canary in ("Dentist", "private", "0123456789", "127.0.0.1", "example.com"):
        assert canary not in kept


def test_while_it_cannot_be_read_what_is_known_stays_in_force(svc: Services, theirs: Calendar):
    call = free_calls(svc)[5]
    theirs.has(call)
    known = read(svc)
    theirs.status = "503 Down"

    after = read(later(svc, hours=5))

    assert call not in free_calls(svc)
    assert (after.busy, after.read_at) == (known.busy, known.read_at)
    assert after.why == "the answer was an error, 503"
    theirs.status = "200 OK"
    theirs.has()
    again = read(svc)
    assert (again.busy, again.failing_since, again.why) == ((), None, "")
    assert call in free_calls(svc)


def test_the_owner_is_told_once_when_it_could_not_be_read_for_an_hour(
    svc: Services, theirs: Calendar, mailbox: Mailbox
):
    theirs.has(free_calls(svc)[5])
    read(svc)
    theirs.status = "404 Not Found"
    told = []
    for minutes in (0, 30, 59, 61, 90, 600):
        read(later(svc, minutes=minutes))
        told.append(len(mailbox.messages))

    assert told == [0, 0, 0, 1, 1, 1]
    assert mailbox.subjects_to("owner@example.com") == ["Your own calendar cannot be read"]
    text = mailbox.messages[0].get_body(("plain",)).get_content()
    assert "the answer was an error, 404: is the address still right?" in text
    assert "is still kept free" in text
    assert "0123456789" not in mailbox.messages[0].as_string()

    theirs.status = "200 OK"
    read(later(svc, minutes=700))
    theirs.status = "500 Oh"
    read(later(svc, minutes=710))
    assert len(mailbox.messages) == 1, "nothing about its working again"
    read(later(svc, minutes=780))
    assert len(mailbox.messages) == 2, "another outage is another mail"


def test_a_calendar_that_could_never_be_read_is_told_as_well(svc: Services, theirs: Calendar, mailbox: Mailbox):
    theirs.text = b"<html>Please log in</html>"
    read(svc)
    read(later(svc, minutes=61))

    text = mailbox.messages[0].get_body(("plain",)).get_content()
    assert "it is not a calendar" in text
    assert "no time is kept free for it" in text


def test_while_no_mail_can_be_sent_it_is_tried_again(svc: Services, theirs: Calendar, mailbox: Mailbox):
    theirs.status = "404 Not Found"
    mailbox.refuse = "451 later"
    read(svc)
    read(later(svc, minutes=61))
    mailbox.refuse = ""

    known = read(later(svc, minutes=71))

    assert len(mailbox.messages) == 1
    assert known.is_told


def test_a_ring_for_an_address_that_is_not_in_the_setting_any_more_does_nothing(svc: Services, database: Database[Any]):
    own_calendar.read(svc, "0" * 16)

    assert database["own_calendar"].count_documents({}) == 0


def many(svc: Services) -> list[Span]:
    """More than anybody's calendar loses at once by chance: an hour on each of two weeks' days."""
    return [Span(svc.now() + day * DAY, svc.now() + day * DAY + HOUR) for day in range(1, 15)]


def test_a_full_calendar_that_becomes_empty_is_told_at_once_and_stays_in_force_for_a_day(
    svc: Services, theirs: Calendar, mailbox: Mailbox
):
    theirs.has(*many(svc))
    known = read(svc)
    assert len(known.busy) >= own_calendar.MANY
    theirs.has()

    for minutes in (0, 10, 20, 1439):
        after = read(later(svc, minutes=minutes))

    assert (after.busy, after.emptied_at is not None) == (known.busy, True)
    assert mailbox.subjects_to("owner@example.com") == ["Your own calendar has become empty"]
    text = mailbox.messages[0].get_body(("plain",)).get_content()
    assert f"had {len(known.busy)} busy times" in text
    assert read(later(svc, minutes=1441)).busy == ()
    assert len(mailbox.messages) == 1


def test_a_calendar_that_is_full_again_is_believed_at_once_and_its_next_emptiness_told_anew(
    svc: Services, theirs: Calendar, mailbox: Mailbox
):
    full = many(svc)
    for minutes, spans in enumerate((full, [], full[:1], full, [])):
        theirs.has(*spans)
        known = read(later(svc, minutes=minutes))

    assert len(known.busy) >= own_calendar.MANY
    assert len(mailbox.messages) == 2


def test_a_job_that_reads_it_keeps_no_worker_waiting(svc: Services, theirs: Calendar, monkeypatch: pytest.MonkeyPatch):
    theirs.has(free_calls(svc)[5])
    theirs.gate.clear()
    monkeypatch.setattr(jobs, "services", lambda: svc)
    [feed_id] = svc.own_calendar.feeds

    jobs.read_own_calendar(feed_id)  # comes back while the calendar does not answer
    unread = svc.own_calendar.known()[feed_id].read_at
    theirs.gate.set()

    assert unread is None
    wait_until(lambda: svc.own_calendar.known()[feed_id].read_at, what="the calendar to be read")


# --- with more than one, and with none ------------------------------------------------------------------------------


class TestTwo:
    @pytest.fixture
    def other(self) -> Iterator[Calendar]:
        calendar = Calendar()
        with listening(lambda c, _: c.sendall(answer(calendar.text, status=calendar.status))) as server:
            calendar.url = f"{server.address}/other.ics"
            yield calendar

    @pytest.fixture
    def env_changes(self, theirs: Calendar, other: Calendar) -> dict[str, str]:
        return {"BUSY_FEED_URLS": f" {theirs.url} , {other.url}"}

    def test_both_keep_their_times_free_and_each_fails_by_itself(
        self, svc: Services, theirs: Calendar, other: Calendar
    ):
        first, second = free_calls(svc)[5], free_calls(svc)[40]
        theirs.has(first)
        other.has(second)
        read(svc)
        other.status = "500 Oh"
        theirs.has()
        read(svc)

        assert first in free_calls(svc)
        assert second not in free_calls(svc)
        assert [bool(known.failing_since) for known in svc.own_calendar.known().values()] == [False, True]


class TestCalendly:
    @pytest.fixture
    def env_changes(self, theirs: Calendar) -> dict[str, str]:
        return {"BUSY_FEED_URLS": theirs.url, "CALENDAR": "calendly_api"}

    def test_calendly_looks_into_the_owners_calendar_by_itself(self, svc: Services, sandbox: Servers):
        sweeping.sweep_runs(svc)

        assert (rung(sandbox), svc.own_calendar.feeds) == (0, ())
        assert svc.own_calendar.busy(Span(datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))) == []
