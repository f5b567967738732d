from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
import requests

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.claims import Tick, Visitor
from inspired.domain.booking.outbox import CancelEvent
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import CalendarKind, State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, SlotTaken, TooMany, UpstreamError
from inspired.domain.shared.slots import Span
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery, payment, refreshing
from inspired.flows.booking.booking import Customer
from inspired.flows.shared import idempotency
from inspired.services import Services
from tests.flows.steps import free_calls, hold, later, live, pay
from tests.harness import Servers

REVIEW = get_meeting_type("portfolio-review")
MINUTE = timedelta(minutes=1)


def test_a_held_time_is_offered_to_nobody_else(svc: Services):
    first = free_calls(svc)[0]

    hold(svc)

    left = free_calls(svc)
    assert first not in left
    assert not [call for call in left if call.overlaps(first)]


def test_what_is_kept_of_the_customer_is_sealed(svc: Services):
    booking = hold(svc, email="Ann@Example.com", name="Ann Example")

    stored = str(svc.bookings.get(booking.id))
    assert "example.com" not in stored.lower()
    assert "Ann" not in stored
    assert delivery.opened(svc, booking) == {"email": "Ann@Example.com", "name": "Ann Example"}


def test_of_twenty_at_once_exactly_one_gets_the_slot(svc: Services):
    def order(number: int) -> str:
        try:
            return hold(svc, email=f"a{number}@example.com", address=f"203.0.113.{number}").id
        except SlotTaken:
            return "taken"

    calls = free_calls(svc)
    assert calls
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(order, range(20)))

    span = calls[0]
    owners = [one for one in results if one != "taken"]
    at_first = [one for one in owners if svc.bookings.get(one).slot.span == span]
    assert len(at_first) == 1
    ticks = [tick for one in owners for tick in svc.bookings.get(one).claims if isinstance(tick, Tick)]
    assert len(ticks) == len(set(ticks))


@pytest.mark.parametrize("shift", [timedelta(minutes=1), timedelta(days=-8), timedelta(days=200), timedelta(hours=14)])
def test_times_that_are_not_offered_are_refused(svc: Services, shift: timedelta):
    start = free_calls(svc)[0].start + shift

    with pytest.raises(Invalid):
        booking_flow.hold_time(svc, REVIEW, start, "UTC", Customer("a@example.com"), network="", token=svc.new_token())


def test_a_window_of_more_than_31_days_is_refused(svc: Services):
    now = svc.now()

    with pytest.raises(Invalid):
        booking_flow.free_times(svc, REVIEW, Span(now, now + timedelta(days=32)))


class TestOpenBookings:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"OPEN_BOOKINGS_PER_VISITOR": "2"}

    def test_by_mail_address_however_it_is_written(self, svc: Services):
        hold(svc, email="ann@example.com", address="203.0.113.1")
        hold(svc, email="ANN@example.com ", address="203.0.113.2")

        with pytest.raises(TooMany):
            hold(svc, email="Ann@Example.com", address="203.0.113.3")

    def test_by_network_address(self, svc: Services):
        hold(svc, email="a@example.com")
        hold(svc, email="b@example.com")

        with pytest.raises(TooMany):
            hold(svc, email="c@example.com")

    def test_also_when_twenty_come_at_once(self, svc: Services):
        calls = iter(range(0, 60, 3))
        numbers = list(calls)

        def order(number: int) -> bool:
            try:
                hold(svc, call=number, email="ann@example.com", address=f"203.0.113.{number}")
            except (TooMany, SlotTaken):
                return False
            return True

        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(order, numbers)) == 2


@pytest.mark.breaks_books  # a booking ends here without what else belongs to it
class TestAddressesOnChain:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"ADDRESSES_PER_VISITOR": "2"}

    def give_up(self, svc: Services, booking: Booking) -> None:
        svc.bookings.change(booking.id, lambda one: replace(one, state=State.EXPIRED, check_at=None))

    def test_one_visitor_gets_only_so_many_in_a_day_whatever_becomes_of_the_bookings(self, svc: Services):
        for number in range(2):
            address = f"203.0.113.{number}"
            self.give_up(svc, hold(svc, call=number * 3, email="ann@example.com", address=address, rail=RailId.TRC20))

        with pytest.raises(TooMany, match=r"2 addresses today.*Please pay with Binance Pay instead"):
            hold(svc, call=9, email="ANN@example.com", address="203.0.113.3", rail=RailId.ERC20)

        assert hold(svc, call=9, email="ann@example.com", address="203.0.113.3").seats
        assert hold(svc, call=12, email="bob@example.com", address="203.0.113.3", rail=RailId.TRC20).address_places

    def test_the_same_holds_by_network_address_and_for_all_networks_together(self, svc: Services):
        for number, rail in enumerate((RailId.TRC20, RailId.BEP20)):
            self.give_up(svc, hold(svc, call=number * 3, email=f"a{number}@example.com", rail=rail))

        with pytest.raises(TooMany, match="addresses today"):
            hold(svc, call=9, email="c@example.com", rail=RailId.TRC20)

    def test_on_the_next_day_there_are_more(self, svc: Services):
        for number in range(2):
            self.give_up(svc, hold(svc, call=number * 3, email="ann@example.com", rail=RailId.TRC20))

        assert hold(later(svc, hours=24), call=9, email="ann@example.com", rail=RailId.TRC20).address_places

    def test_also_when_many_come_at_once(self, svc: Services):
        def order(number: int) -> bool:
            try:
                hold(svc, call=number * 3, email="ann@example.com", address=f"203.0.113.{number}", rail=RailId.TRC20)
            except (TooMany, SlotTaken):
                return False
            return True

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(order, range(10))) == 2

    def test_they_are_read_back(self, svc: Services):
        booking = hold(svc, email="ann@example.com", rail=RailId.TRC20)
        stored = svc.bookings.get(booking.id)

        assert stored.address_places == booking.address_places
        assert {place.row.by for place in stored.address_places} == set(Visitor)


def test_the_time_changes_while_unpaid_and_the_old_one_is_free_again(svc: Services):
    booking = live(svc)
    first, other = booking.slot.span, free_calls(svc)[5]

    moved = booking_flow.change_time(svc, booking.token, other.start, "UTC")

    assert moved.slot.span == other
    assert first in free_calls(svc)
    assert other not in free_calls(svc)


def test_moving_onto_a_taken_time_is_refused_and_keeps_the_old_one(svc: Services):
    mine, theirs = live(svc), live(svc, call=4, email="bob@example.com")

    with pytest.raises(SlotTaken):
        booking_flow.change_time(svc, mine.token, theirs.slot.span.start, "UTC")

    assert svc.bookings.get(mine.id).slot == mine.slot


QUICK = get_meeting_type("quick-question")


def offering(svc: Services, type_id: str, **rules) -> None:
    """The owner changes how this type is offered."""
    offered = svc.catalogue.fresh()
    listed = [
        replace(one, type=replace(one.type, rules=replace(one.type.rules, **rules))) if one.type.id == type_id else one
        for one in offered.types
    ]
    svc.catalogue.save_types(tuple(listed), offered.types_version)


def hold_at(svc: Services, kind, start, number: int):
    customer = Customer(f"c{number}@example.com", address=f"198.51.100.{number}")
    return booking_flow.hold_time(svc, kind, start, "UTC", customer, network="", token=svc.new_token())


def on_one_day(svc: Services, type_id: str) -> list[Span]:
    """Free calls of this type on the first day that has all of its own."""
    calls = free_calls(svc, type_id)
    day = calls[0].start.date() + timedelta(days=1)
    return [call for call in calls if call.start.date() == next(c.start.date() for c in calls if c.start.date() >= day)]


class TestRulesOfToday:
    def test_what_is_kept_free_around_a_call_is_offered_to_nobody(self, svc: Services):
        offering(svc, "quick-question", before=15 * MINUTE, after=25 * MINUTE, step=5 * MINUTE)
        nine = on_one_day(svc, "quick-question")[6].start  # half an hour after the day's first
        held = hold_at(svc, QUICK, nine, 1)
        around = held.slot.around

        others = free_calls(svc)
        own = free_calls(svc, "quick-question")

        assert around == Span(nine - 15 * MINUTE, nine + 55 * MINUTE)
        assert not [call for call in others if call.overlaps(around)]
        assert not [call for call in own if Span(call.start - 15 * MINUTE, call.end + 25 * MINUTE).overlaps(around)]
        assert Span(around.end + 15 * MINUTE, around.end + 45 * MINUTE) in own

    def test_a_call_in_anothers_buffer_is_refused_by_the_database_itself(self, svc: Services):
        """The list both chose from was older than either."""
        calls = on_one_day(svc, "portfolio-review")
        offering(svc, "quick-question", before=30 * MINUTE, after=30 * MINUTE)
        hold_at(svc, QUICK, calls[4].start, 1)

        for near in (calls[3], calls[5]):
            with pytest.raises(SlotTaken):
                hold_at(svc, REVIEW, near.start, 2)
        assert hold_at(svc, REVIEW, calls[6].start, 3).state is State.PENDING

    def test_of_twenty_with_buffers_and_different_lengths_no_two_overlap(self, svc: Services):
        offering(svc, "quick-question", before=10 * MINUTE, after=20 * MINUTE)
        starts = [call.start for call in on_one_day(svc, "deep-dive")][:4]
        kinds = [QUICK, REVIEW, get_meeting_type("deep-dive")]

        def order(number: int):
            try:
                return hold_at(svc, kinds[number % 3], starts[number % 4], number + 1)
            except SlotTaken:
                return None

        with ThreadPoolExecutor(20) as pool:
            held = [one for one in pool.map(order, range(20)) if one]

        spans = sorted((one.slot.around for one in held), key=lambda span: span.start)
        assert held
        assert not [one for one, other in pairwise(spans) if one.overlaps(other)]

    def test_a_day_that_is_full_is_not_offered_and_a_place_given_back_is(self, svc: Services):
        offering(svc, "quick-question", most_per_day=2)
        calls = on_one_day(svc, "quick-question")
        day = calls[0].start.date()
        first, _ = (hold_at(svc, QUICK, calls[number].start, number) for number in (1, 3))

        full = [call for call in free_calls(svc, "quick-question") if call.start.date() == day]
        with pytest.raises(SlotTaken, match="this day has become full"):
            hold_at(svc, QUICK, calls[5].start, 5)
        other_type = hold_at(svc, REVIEW, calls[6].start, 6)
        booking_flow.give_up(svc, first.token)
        refreshing.refresh(later(svc, minutes=2), first.id)

        assert (full, other_type.slot.day_place) == ([], None)
        assert [call for call in free_calls(svc, "quick-question") if call.start.date() == day]
        assert hold_at(svc, QUICK, calls[5].start, 5).state is State.PENDING

    def test_of_twenty_at_once_no_more_than_the_limit_get_the_day(self, svc: Services):
        offering(svc, "quick-question", most_per_day=3, step=15 * MINUTE)
        calls = on_one_day(svc, "quick-question")[::2]

        def order(number: int) -> bool:
            try:
                hold_at(svc, QUICK, calls[number % len(calls)].start, number + 1)
            except SlotTaken:
                return False
            return True

        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(order, range(20))) == 3

    def test_moving_within_a_full_day_is_possible_and_into_one_is_not(self, svc: Services):
        offering(svc, "quick-question", most_per_day=1)
        calls = on_one_day(svc, "quick-question")
        booking = hold_at(svc, QUICK, calls[1].start, 1)
        elsewhere = next(
            call for call in free_calls(svc, "quick-question") if call.start.date() > calls[0].start.date()
        )
        other = hold_at(svc, QUICK, elsewhere.start, 2)

        moved = booking_flow.change_time(svc, booking.token, calls[3].start, "UTC")
        with pytest.raises(SlotTaken, match="full"):
            booking_flow.change_time(svc, other.token, calls[5].start, "UTC")

        assert (moved.slot.span, moved.slot.day_place) == (calls[3], booking.slot.day_place)

    def test_another_time_is_chosen_by_todays_rules_and_at_the_price_of_the_booking(self, svc: Services):
        booking = live(svc, type_id="quick-question")
        offering(svc, "quick-question", before=10 * MINUTE, step=45 * MINUTE)
        offered, gone = free_calls(svc, "quick-question")[3], free_calls(svc)[7]

        moved = booking_flow.change_time(svc, booking.token, offered.start, "UTC")
        with pytest.raises(Invalid):
            booking_flow.change_time(svc, booking.token, gone.start + 5 * MINUTE, "UTC")

        assert (moved.slot.span, moved.slot.before) == (offered, 10 * MINUTE)
        assert moved.meeting_type == booking.meeting_type

    def test_a_type_that_is_gone_from_the_list_keeps_its_bookings_movable(self, svc: Services):
        booking = live(svc, type_id="quick-question")
        offered = svc.catalogue.fresh()
        svc.catalogue.save_types(offered.types[1:], offered.types_version)
        call = free_calls(svc, "quick-question")[3]

        assert booking_flow.change_time(svc, booking.token, call.start, "UTC").slot.span == call


class TestCalendly:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly"}

    def schedule(self, svc: Services, token: str, slug: str = "portfolio-review", number: int = 0) -> tuple[str, str]:
        """What the customer does inside Calendly's frame."""
        page = svc.calendly.frame_url(slug, token, "localhost")
        start = free_calls(svc, slug)[number].start
        answer = requests.post(
            page.split("?")[0],
            data={
                "start_time": start.isoformat().replace("+00:00", "Z"),
                "name": "Ann Example",
                "email": "ann@example.com",
                "utm_content": token,
                "timezone": "Europe/Berlin",
            },
            headers={"Accept": "application/json"},
            timeout=5,
        )
        payload = answer.json()
        return payload["event"]["uri"], payload["invitee"]["uri"]

    def take(self, svc: Services, token: str, uris: tuple[str, str]):
        return booking_flow.take_scheduled(svc, token, *uris, customer=None, address="203.0.113.1", network="")

    def test_what_was_scheduled_in_the_frame_is_read_back_and_held(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        uris = self.schedule(svc, draft.token)

        held = self.take(svc, draft.token, uris)

        assert held.state is State.PENDING
        assert (held.slot.event_uri, held.slot.invitee_uri) == uris
        assert delivery.opened(svc, held) == {"email": "ann@example.com", "name": "Ann Example"}
        assert self.take(svc, draft.token, uris) == svc.bookings.get(held.id), "twice is once"

    def test_an_event_that_carries_another_token_is_refused(self, svc: Services):
        mine, theirs = booking_flow.start_draft(svc, REVIEW), booking_flow.start_draft(svc, REVIEW)
        uris = self.schedule(svc, theirs.token)

        with pytest.raises(Invalid):
            self.take(svc, mine.token, uris)

        assert svc.bookings.get(mine.id).state is State.DRAFT

    def test_an_event_of_another_kind_is_refused(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        uris = self.schedule(svc, draft.token, slug="quick-question")

        with pytest.raises(Invalid):
            self.take(svc, draft.token, uris)

    def test_a_cancelled_event_is_refused(self, svc: Services, sandbox: Servers):
        draft = booking_flow.start_draft(svc, REVIEW)
        uris = self.schedule(svc, draft.token)
        svc.calendly.cancel(uris[0], "test")

        with pytest.raises(Conflict):
            self.take(svc, draft.token, uris)

    def test_choosing_again_moves_the_unpaid_booking_and_owes_the_old_event(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        first = self.schedule(svc, draft.token)
        self.take(svc, draft.token, first)
        second = self.schedule(svc, draft.token, number=6)

        moved = self.take(svc, draft.token, second)

        assert moved.slot.event_uri == second[0]
        delivery.deliver(svc, moved)
        assert not svc.calendly.is_active(first[0])
        assert svc.calendly.is_active(second[0])

    def test_an_event_calendly_does_not_know_is_refused(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        event, invitee = self.schedule(svc, draft.token)

        with pytest.raises(Invalid):
            self.take(svc, draft.token, (event[:-4] + "0000", invitee.replace(event, event[:-4] + "0000")))

    def test_an_event_that_belongs_to_another_booking_is_refused(self, svc: Services):
        first = booking_flow.start_draft(svc, REVIEW)
        uris = self.schedule(svc, first.token)
        held = self.take(svc, first.token, uris)
        svc.bookings.change(held.id, lambda b: replace(b, token="x" * 28))
        thief = booking_flow.start_draft(replace(svc, new_token=lambda: first.token), REVIEW)

        with pytest.raises(Conflict):
            self.take(svc, first.token, uris)

        assert svc.bookings.get(thief.id).state is State.DRAFT

    def test_two_different_times_taken_for_one_draft_at_once_make_one_booking(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        ways = [self.schedule(svc, draft.token), self.schedule(svc, draft.token, number=6)]

        def take(uris: tuple[str, str]) -> str:
            try:
                return self.take(svc, draft.token, uris).slot.event_uri
            except Conflict:
                return "refused"

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(take, ways))

        after = refreshing.refresh(svc, draft.id)
        active = [event for event, _ in ways if svc.calendly.is_active(event)]
        assert active == [after.slot.event_uri]

    def test_while_the_calendar_does_not_answer_a_paid_booking_waits(self, svc: Services, sandbox: Servers):
        draft = booking_flow.start_draft(svc, REVIEW)
        held = payment.open_order(svc, self.take(svc, draft.token, self.schedule(svc, draft.token)), seconds=2.0)
        sandbox.control(f"orders/{held.order.trade_no}/pay", {"notify": "lost"})
        sandbox.control("faults", {"calendly": [{"call": "event", "fault": "http_500", "times": 1}]})

        assert refreshing.refresh(svc, held.id).state is State.PAID
        assert refreshing.refresh(svc, held.id).state is State.CONFIRMED

    def test_a_draft_is_not_dropped_while_the_calendar_does_not_answer(self, svc: Services, sandbox: Servers):
        draft = booking_flow.start_draft(svc, REVIEW)
        tomorrow = replace(svc, now=lambda: draft.created_at + timedelta(hours=25))
        sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 1}]})

        refreshing.refresh(tomorrow, draft.id)

        assert svc.bookings.get(draft.id).check_at > tomorrow.now()

    def test_releasing_an_event_that_became_the_slot_again_does_nothing(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        held = self.take(svc, draft.token, self.schedule(svc, draft.token))
        owed = CancelEvent(held.slot.event_uri)
        svc.bookings.change(held.id, lambda b: b.owing(svc.now(), owed))

        after = delivery.deliver(svc, svc.bookings.get(held.id))

        assert owed in after.delivered
        assert svc.calendly.is_active(held.slot.event_uri)

    def test_a_time_of_another_kind_is_freed_and_its_draft_dropped_after_its_day(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        event, _ = self.schedule(svc, draft.token, slug="quick-question")

        refreshing.refresh(svc, draft.id)
        refreshing.refresh(svc, draft.id)

        assert not svc.calendly.is_active(event)
        refreshing.refresh(replace(svc, now=lambda: draft.created_at + timedelta(hours=25)), draft.id)
        with pytest.raises(NotFound):
            svc.bookings.get(draft.id)

    def test_a_time_of_our_own_calendar_cannot_be_had_here(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        held = self.take(svc, draft.token, self.schedule(svc, draft.token))

        with pytest.raises(Conflict):
            booking_flow.change_time(svc, draft.token, held.slot.span.start + timedelta(days=1), "UTC")

    def test_a_time_that_was_given_back_is_not_taken_again(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        first, second = self.schedule(svc, draft.token), self.schedule(svc, draft.token, number=6)
        self.take(svc, draft.token, first)
        self.take(svc, draft.token, second)

        with pytest.raises(Conflict):
            self.take(svc, draft.token, first)

        after = refreshing.refresh(svc, draft.id)
        assert after.slot.event_uri == second[0]
        assert (svc.calendly.is_active(first[0]), svc.calendly.is_active(second[0])) == (False, True)

    def test_a_time_picked_too_late_is_freed_again(self, svc: Services, sandbox: Servers):
        draft = booking_flow.start_draft(svc, REVIEW)
        first = self.schedule(svc, draft.token)
        held = payment.open_order(svc, self.take(svc, draft.token, first), seconds=2.0)
        sandbox.control(f"orders/{held.order.trade_no}/pay", {"notify": "lost"})
        refreshing.refresh(svc, held.id)
        late = self.schedule(svc, draft.token, number=6)

        with pytest.raises(Conflict):
            self.take(svc, draft.token, late)

        after = refreshing.refresh(svc, held.id)
        assert after.state is State.CONFIRMED
        assert (svc.calendly.is_active(first[0]), svc.calendly.is_active(late[0])) == (True, False)

    def test_times_picked_in_other_tabs_and_never_told_are_freed_a_little_later(self, svc: Services, sandbox: Servers):
        draft = booking_flow.start_draft(svc, REVIEW)
        first, stray = self.schedule(svc, draft.token), self.schedule(svc, draft.token, number=6)
        held = payment.open_order(svc, self.take(svc, draft.token, first), seconds=2.0)
        sandbox.control(f"orders/{held.order.trade_no}/pay", {"notify": "lost"})
        refreshing.refresh(svc, held.id)
        soon = replace(svc, now=lambda: svc.now() + timedelta(minutes=6))

        refreshing.refresh(soon, held.id)

        assert (svc.calendly.is_active(first[0]), svc.calendly.is_active(stray[0])) == (True, False)

    def test_a_slot_changed_while_the_calendar_was_asked_is_not_judged_by_the_old_answer(
        self, svc: Services, sandbox: Servers
    ):
        draft = booking_flow.start_draft(svc, REVIEW)
        first, second = self.schedule(svc, draft.token), self.schedule(svc, draft.token, number=6)
        before = payment.open_order(svc, self.take(svc, draft.token, first), seconds=2.0)
        self.take(svc, draft.token, second)
        svc.calendly.cancel(first[0], "test")
        sandbox.control(f"orders/{before.order.trade_no}/pay", {"notify": "lost"})

        after = refreshing.ask(svc, before)

        assert (after.state, after.flags) == (State.PAID, frozenset())
        assert refreshing.refresh(svc, before.id).state is State.CONFIRMED

    def test_a_time_picked_while_the_page_was_closed_is_found_and_held(self, svc: Services, mailbox):
        draft = booking_flow.start_draft(svc, REVIEW)
        uris = self.schedule(svc, draft.token)

        found = refreshing.refresh(svc, draft.id)

        assert found.state is State.PENDING
        assert (found.slot.event_uri, found.slot.invitee_uri) == uris
        assert found.order.checkout is not None
        assert len(mailbox.subjects_to("ann@example.com")) == 1

    def test_a_draft_that_was_left_is_dropped_after_a_day(self, svc: Services):
        draft = booking_flow.start_draft(svc, REVIEW)
        refreshing.refresh(svc, draft.id)
        assert svc.bookings.get(draft.id).state is State.DRAFT
        tomorrow = replace(svc, now=lambda: draft.created_at + timedelta(hours=25))

        refreshing.refresh(tomorrow, draft.id)

        with pytest.raises(NotFound):
            svc.bookings.get(draft.id)


class TestCalendlyByApi:
    """Times of Calendly on our own pages, held there by its API."""

    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly_api", "OPEN_BOOKINGS_PER_VISITOR": "2"}

    def events(self, sandbox: Servers) -> list[tuple[str, str]]:
        return [(one["start_time"][:16], one["status"]) for one in sandbox.control("events")]

    def paid(self, svc: Services, sandbox: Servers):
        booking = payment.open_held_order(svc, hold(svc), seconds=2.0)
        pay(sandbox, booking)
        booking = refreshing.refresh(svc, booking.id)
        assert booking.state is State.CONFIRMED
        return booking

    def test_a_time_is_held_there_under_the_bookings_token(self, svc: Services, sandbox: Servers):
        call = free_calls(svc)[0]

        booking = hold(svc)

        assert (booking.state, booking.slot.span, booking.slot.calendar) == (
            State.PENDING, call, CalendarKind.CALENDLY,
        )  # fmt: skip
        assert delivery.opened(svc, booking)["email"] == "ann@example.com"
        assert svc.calendly.find(booking.token, booking.created_at) == [
            (booking.slot.event_uri, booking.slot.invitee_uri)
        ]
        assert call not in free_calls(svc)

    def test_a_time_that_is_gone_meanwhile_is_refused_and_leaves_nothing(self, svc: Services, sandbox: Servers):
        call = free_calls(svc)[0]
        hold(svc)

        with pytest.raises(SlotTaken):
            hold_at(svc, REVIEW, call.start, 7)

        assert [status for _, status in self.events(sandbox)] == ["active"]

    def test_an_unpaid_time_is_freed_there(self, svc: Services, sandbox: Servers):
        booking = payment.open_held_order(svc, hold(svc), seconds=2.0)
        booking_flow.give_up(svc, booking.token)

        after = refreshing.refresh(svc, booking.id)

        assert after.state is State.CANCELLED
        assert [status for _, status in self.events(sandbox)] == ["canceled"]

    def test_who_has_too_many_open_books_nothing_there(self, svc: Services, sandbox: Servers):
        for number in (0, 4):
            hold(svc, call=number)
        before = self.events(sandbox)

        with pytest.raises(TooMany):
            hold(svc, call=8)

        assert self.events(sandbox) == before

    def test_an_answer_that_is_lost_leaves_an_event_that_is_found_and_held(
        self, svc: Services, sandbox: Servers, mailbox
    ):
        sandbox.control(
            "faults", {"calendly": [{"call": "create_invitee", "fault": "accept_then_timeout", "times": 1}]}
        )

        with pytest.raises(UpstreamError):
            hold(svc)
        (draft,) = (svc.bookings.get(one) for one in svc.bookings.due(svc.now() + timedelta(hours=1), 10))
        held = refreshing.refresh(later(svc, minutes=3), draft.id)

        assert (draft.state, held.state) == (State.DRAFT, State.PENDING)
        assert delivery.opened(svc, held)["email"] == "ann@example.com"

    def test_after_a_lost_answer_the_same_form_goes_on_with_the_event_it_has_made(
        self, svc: Services, sandbox: Servers, mailbox
    ):
        sandbox.control(
            "faults", {"calendly": [{"call": "create_invitee", "fault": "accept_then_timeout", "times": 1}]}
        )
        start = free_calls(svc)[0].start

        def send() -> tuple[int, Booking]:
            customer = Customer("ann@example.com", "Ann")

            def make(token: str) -> tuple[int, Booking]:
                return 201, booking_flow.hold_time(svc, REVIEW, start, "UTC", customer, network="", token=token)

            return idempotency.once(svc, "form", {"start": str(start)}, svc.new_token(), make)

        with pytest.raises(UpstreamError):
            send()
        status, held = send()
        again = send()[1]

        assert (status, held.state, again.id) == (201, State.PENDING, held.id)
        assert [status for _, status in self.events(sandbox)] == ["active"]
        assert svc.bookings.due(svc.now() + timedelta(days=2), 10) == [held.id], "no other booking, and no draft left"

    def test_an_unpaid_time_is_changed_for_another_and_the_old_one_freed(self, svc: Services, sandbox: Servers):
        booking = hold(svc)
        other = free_calls(svc)[5]

        moved = booking_flow.change_time(svc, booking.token, other.start, "UTC")
        refreshing.refresh(svc, booking.id)

        assert (moved.slot.span, moved.slot.event_uri != booking.slot.event_uri) == (other, True)
        assert sorted(status for _, status in self.events(sandbox)) == ["active", "canceled"]
        assert not svc.calendly.is_active(booking.slot.event_uri)

    def test_a_confirmed_call_is_moved_and_the_old_event_cancelled(self, svc: Services, sandbox: Servers, mailbox):
        booking = self.paid(svc, sandbox)
        other = free_calls(svc)[9]

        moved = booking_flow.move(svc, booking.token, other.start, "UTC", 0)
        after = refreshing.refresh(svc, booking.id)

        assert (after.state, after.slot.span, after.moves) == (State.CONFIRMED, other, 1)
        assert svc.calendly.is_active(moved.slot.event_uri)
        assert not svc.calendly.is_active(booking.slot.event_uri)
        assert not [one for one in mailbox.messages if list(one.iter_attachments())], "Calendly sends its own"

    def test_what_may_not_be_moved_books_nothing(self, svc: Services, sandbox: Servers):
        booking = self.paid(svc, sandbox)
        before = self.events(sandbox)

        with pytest.raises(Conflict, match="moved meanwhile"):
            booking_flow.move(svc, booking.token, free_calls(svc)[9].start, "UTC", 3)

        assert self.events(sandbox) == before


class TestCalendlyLimit:
    schedule, take = TestCalendly.schedule, TestCalendly.take

    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly", "OPEN_BOOKINGS_PER_VISITOR": "1"}

    def test_a_time_picked_by_who_has_too_many_open_is_freed_at_once(self, svc: Services):
        first, second = booking_flow.start_draft(svc, REVIEW), booking_flow.start_draft(svc, REVIEW)
        self.take(svc, first.token, self.schedule(svc, first.token))
        one_too_many = self.schedule(svc, second.token, number=6)

        with pytest.raises(TooMany):
            self.take(svc, second.token, one_too_many)

        after = refreshing.refresh(svc, second.id)
        assert after.state is State.DRAFT, "what was refused is not taken up behind the customer's back"
        after = refreshing.refresh(svc, second.id)
        assert after.state is State.DRAFT
        assert not svc.calendly.is_active(one_too_many[0])

    @pytest.mark.breaks_books
    def test_a_time_that_is_being_freed_cannot_be_taken_meanwhile(self, svc: Services):
        first, second = booking_flow.start_draft(svc, REVIEW), booking_flow.start_draft(svc, REVIEW)
        open_one = self.take(svc, first.token, self.schedule(svc, first.token))
        freed = self.schedule(svc, second.token, number=6)
        with pytest.raises(TooMany):
            self.take(svc, second.token, freed)
        booking_flow.give_up(svc, first.token)
        svc.bookings.change(open_one.id, lambda b: replace(b, state=State.CANCELLED))

        with pytest.raises(Conflict):
            self.take(svc, second.token, freed)

        assert svc.bookings.get(second.id).state is State.DRAFT
