"""The customer's steps: choosing a time and holding it, moving while unpaid, giving up, choosing again, cancelling."""

from dataclasses import replace
from datetime import datetime, timedelta

from inspired.domain.booking import refunds
from inspired.domain.booking.balance import Payment, due, kept_of, nothing, payment_of, unclear
from inspired.domain.booking.booking import Booking, PaymentOrder, RefundRequest, Sealed, Slot, trade_number
from inspired.domain.booking.history import Amount, EventKind, Length
from inspired.domain.booking.lifecycle import SlotSeen, decided, is_reminder, left_pending, moved, released, reminded
from inspired.domain.booking.outbox import AlertKind, AlertOwner, CancelEvent, Email, ReportNoShow, SendEmail, SyncEvent
from inspired.domain.booking.polling import passed, scheduled
from inspired.domain.booking.refunds import Preview
from inspired.domain.booking.states import CalendarKind, Cause, Flag, State
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.shared.errors import Conflict, OtherLength
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span


def draft(*, booking_id: str, token: str, meeting_type: MeetingType, terms_version: str, now: datetime) -> Booking:
    """A booking without a slot yet: the Calendly frame carries its token."""
    booking = Booking(
        id=booking_id, token=token, meeting_type=meeting_type, created_at=now, terms_version=terms_version
    )
    return scheduled(booking.noted(now, EventKind.STARTED), now)


def held(
    booking: Booking,
    *,
    slot: Slot,
    sealed: Sealed,
    email_index: str,
    visitor_index: str,
    network: str,
    expiry: timedelta,
    now: datetime,
) -> Booking:
    """The draft with its slot: PENDING, with a first order that may be created at once, and the mail that says so."""
    refuse_other_length(booking, slot)
    expires_at = now + expiry
    booking = replace(
        booking,
        state=State.PENDING,
        slot=slot,
        sealed=sealed,
        email_index=email_index,
        visitor_index=visitor_index,
        network=network,
        expires_at=expires_at,
        deadline=expires_at + min(timedelta(seconds=60), expiry / 5),
        orders=(PaymentOrder(1, trade_number(booking.id, 1), created_at=now, amount=booking.price, retry_at=now),),
    )
    return scheduled(booking.noted(now, EventKind.HELD).owing(now, SendEmail(Email.HELD)), now)


def past_our_pages(booking: Booking, now: datetime) -> Booking:
    """What was just held was booked in the calendar itself: its customer knows nothing of us yet."""
    booking = booking.not_owing(lambda task: task == SendEmail(Email.HELD)).noted(now, EventKind.FOUND_IN_CALENDAR)
    return scheduled(booking.owing(now, SendEmail(Email.UNPAID), AlertOwner(AlertKind.PAST_OUR_PAGES)), now)


def give_up(booking: Booking, now: datetime) -> Booking:
    """The customer does not want it any more. The slot goes when the order is seen closed, not before."""
    if booking.state is State.DRAFT:
        return scheduled(left_pending(moved(booking, State.CANCELLED, now, ended_at=now), now), now)
    if booking.state is not State.PENDING:
        raise Conflict("This booking can no longer be cancelled here.")
    if booking.cancel_requested:
        return booking
    return replace(booking, cancel_requested=True, check_at=now).noted(now, EventKind.GIVEN_UP)


def change_time(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """Another slot for the same unpaid booking. Price, order and deadline stay."""
    if booking.state is not State.PENDING or booking.cancel_requested or passed(booking.expires_at, now):
        raise Conflict("The time can be changed only while the booking waits for its payment.")
    refuse_unfit(booking, slot)
    before = booking
    booking = replace(booking, slot=slot).noted(now, EventKind.TIME_CHANGED)
    return scheduled(without_event_of(before.slot, booking, now), now)


def without_event_of(old: Slot | None, booking: Booking, now: datetime) -> Booking:
    """The booking has another slot by now: the event of the old one is owed its cancelling."""
    uri = old.event_uri if old is not None else ""
    is_its_own = booking.slot is not None and booking.slot.event_uri == uri
    return booking.owing(now, CancelEvent(uri)) if uri and not is_its_own else booking


def refuse_unfit(booking: Booking, slot: Slot) -> None:
    """Whatever is picked later stands for the same price, so the same rules hold for it."""
    refuse_given_back(booking, slot)
    refuse_other_length(booking, slot)


def refuse_given_back(booking: Booking, slot: Slot) -> None:
    if slot.event_uri and booking.gave_back(slot.event_uri):
        raise Conflict("That time was given back already. Please choose another one.")


def is_as_sold(booking: Booking, slot: Slot) -> bool:
    """As long as the call that is paid for. At Calendly whoever books may choose among lengths; here each has its
    price, so another length has none."""
    length = timedelta(minutes=booking.meeting_type.minutes)
    return not slot.event_uri or slot.span.end - slot.span.start == length


def refuse_other_length(booking: Booking, slot: Slot) -> None:
    if not is_as_sold(booking, slot):
        raise OtherLength(
            f"This call takes {booking.meeting_type.minutes} minutes, and {_minutes(slot)} minutes were chosen in "
            "Calendly. That time is given back. Please choose one again, with the right length."
        )


def _minutes(slot: Slot) -> int:
    return (slot.span.end - slot.span.start) // timedelta(minutes=1)


def event_refused(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """What was picked cannot be this booking's slot: its event is owed its cancelling, and the history says why."""
    if booking.gave_back(slot.event_uri) or (booking.slot is not None and booking.slot.event_uri == slot.event_uri):
        return booking
    if not is_as_sold(booking, slot):
        booking = booking.noted(now, EventKind.OTHER_LENGTH, Length(_minutes(slot)))
    return event_unwanted(booking, slot.event_uri, now)


def event_unwanted(booking: Booking, event_uri: str, now: datetime) -> Booking:
    """An event with this booking's token that is not its slot is owed its cancelling."""
    if booking.slot is not None and booking.slot.event_uri == event_uri:
        return booking
    return scheduled(booking.owing(now, CancelEvent(event_uri)), now)


# --- paid, but without a time ---------------------------------------------------------------------------------------


def may_choose(booking: Booking, now: datetime) -> bool:
    """Another time, or the money back: the page shows two buttons."""
    open_ = booking.choose_by is not None and not passed(booking.choose_by, now)
    return open_ and payment_of(booking) is Payment.EXACT


def another_time(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """The slot whoever paid too late, or lost theirs, has chosen instead. It costs nothing again."""
    if not may_choose(booking, now):
        raise Conflict("There is no time to be chosen for this booking any more.")
    refuse_unfit(booking, slot)
    old, flags = booking.slot, booking.flags - {Flag.SLOT_LOST}
    booking = replace(booking, slot=slot, flags=flags, choose_by=None, ended_at=None, cancel_requested=False)
    booking = booking.noted(now, EventKind.TIME_CHANGED)
    booking = without_event_of(old, booking, now)
    if booking.state is not State.PAID:
        booking = moved(booking, State.PAID, now, paid_at=now)
    return decided(booking, SlotSeen.SECURED, now)


def money_back(booking: Booking, now: datetime) -> Booking:
    if not may_choose(booking, now):
        raise Conflict("This was decided already.")
    booking = replace(booking, choose_by=None).noted(now, EventKind.MONEY_BACK_CHOSEN)
    return decided(refunds.all_of_it(booking, Cause.MONEY_BACK, now, refunds.CUSTOMER), SlotSeen.UNKNOWN, now)


# --- a confirmed call that does not take place ----------------------------------------------------------------------


def may_cancel(booking: Booking, now: datetime) -> bool:
    return booking.state is State.CONFIRMED and booking.slot is not None and now < booking.slot.span.start


def goes_back(booking: Booking, now: datetime) -> Money:
    """What the customer gets back for cancelling now, by the policy the booking was made under."""
    if booking.slot is None:
        return kept_of(booking)
    percent = min(booking.meeting_type.policy.percent(booking.slot.span.start, now), booking.most_back)
    return min(booking.price.share(percent), kept_of(booking))


def cancel(booking: Booking, told: Money, now: datetime) -> Booking:
    """The customer cancels. `told` is what the page promised: if that is no longer what goes back, nothing is done."""
    if not may_cancel(booking, now):
        raise Conflict("This call can no longer be cancelled here.")
    amount = goes_back(booking, now)
    if amount != told:
        raise Conflict(f"Meanwhile the refund for cancelling has become {amount.shown}. Please look again.")
    booking = refunds.going_back(booking, amount, Cause.CANCELLED, now, refunds.CUSTOMER)
    return decided(called_off(booking, now).owing(now, AlertOwner(AlertKind.CANCELLED)), SlotSeen.UNKNOWN, now)


def refund_all(
    booking: Booking, now: datetime, *, cancels: bool, note: str = "", request: RefundRequest | None = None
) -> Booking:
    """The owner gives back all that is left. The same request is answered, not done again; another with its name is
    refused. Raises Conflict."""
    if _was_asked(booking, request):
        return booking
    preview = _allowed(refunds.checked_all(booking, cancels=cancels))
    after = refunds.all_of_it(_unchosen(booking), Cause.OWNER, now, refunds.Asked("owner", note, request))
    return _left_with(after, preview, now)


def refund_part(
    booking: Booking,
    amount: Money,
    now: datetime,
    *,
    cancels: bool,
    note: str = "",
    request: RefundRequest | None = None,
) -> Booking:
    """The owner gives back a part of a confirmed call's money; before a call is confirmed its money goes back as a
    whole. Requests as with `refund_all`. Raises Invalid, Conflict."""
    if _was_asked(booking, request):
        return booking
    preview = _allowed(refunds.checked_part(booking, amount, cancels=cancels))
    asked = refunds.Asked("owner", note, request)
    if _may_keep(booking):
        return _left_with(refunds.going_back(booking, amount, Cause.OWNER, now, asked), preview, now)
    if preview.amount != preview.left:
        raise Conflict("Before a call is confirmed its money goes back as a whole.")
    return _left_with(refunds.all_of_it(_unchosen(booking), Cause.OWNER, now, asked), preview, now)


def refund_order(
    booking: Booking, order: int, now: datetime, *, note: str = "", request: RefundRequest | None = None
) -> Booking:
    """The owner gives back the money of one order that cannot be counted; the call and what it keeps stay as they are.
    Requests as with `refund_all`. Raises Conflict."""
    if _was_asked(booking, request):
        return booking
    _allowed(refunds.checked_order(booking, order))
    asked = refunds.Asked("owner", note, request)
    return decided(refunds.uncounted_back(booking, order, Cause.OWNER, now, asked), SlotSeen.UNKNOWN, now)


def _was_asked(booking: Booking, request: RefundRequest | None) -> bool:
    """Raises Conflict where something else was asked under its name."""
    before = refunds.of_request(booking, request.name) if request is not None else ()
    if before and before[0].request != request:
        raise Conflict("This Idempotency-Key was used for another refund.")
    return bool(before)


def _allowed(preview: Preview) -> Preview:
    if preview.blocked:
        raise Conflict(preview.warnings[0])
    return preview


def _may_keep(booking: Booking) -> bool:
    """What does not go back is kept: the call was confirmed."""
    return booking.state is State.CONFIRMED or booking.agreed_amount is not None


def _unchosen(booking: Booking) -> Booking:
    """The customer no longer chooses between another time and the money: the owner has."""
    return booking if _may_keep(booking) else replace(booking, choose_by=None)


def _left_with(booking: Booking, preview: Preview, now: datetime) -> Booking:
    """The refunds are written down: what remains is kept, and the call is off where that was wanted."""
    if _may_keep(booking):
        booking = replace(booking, agreed_amount=preview.remains)
    if preview.cancels and booking.state is State.CONFIRMED:
        booking = called_off(booking, now).owing(now, AlertOwner(AlertKind.CANCELLED_BY_OWNER))
    return decided(booking, SlotSeen.UNKNOWN, now)


def may_move(booking: Booking, now: datetime) -> bool:
    """To another time, by the customer. What was picked in Calendly's own frame is moved there, and not here."""
    if booking.state is not State.CONFIRMED or booking.slot is None:
        return False
    return now < booking.slot.span.start - booking.meeting_type.policy.move_until


def most_back_after_move(booking: Booking, now: datetime) -> int:
    """Moving costs nothing, but does not bring back the time in which cancelling was free: percent of the price."""
    if booking.slot is None:
        return booking.most_back
    return min(booking.meeting_type.policy.percent(booking.slot.span.start, now), booking.most_back)


def move(booking: Booking, slot: Slot, seen: int, now: datetime) -> Booking:
    """A confirmed call takes place at another time; what was paid stays. `seen`: how often it had been moved when the
    customer decided, so that an old page or link moves nothing a second time."""
    if booking.moves != seen:
        raise Conflict("This call was moved meanwhile. Please look at its time again.")
    if not may_move(booking, now):
        raise Conflict("This call can no longer be moved here.")
    refuse_unfit(booking, slot)
    old = booking.slot
    after = replace(booking, slot=slot, moves=booking.moves + 1, most_back=most_back_after_move(booking, now))
    after = without_event_of(old, after, now)
    after = after.noted(now, EventKind.MOVED).owing(now, *mails_of_move(after))
    return scheduled(reminded(after, now), now)


def mails_of_move(booking: Booking) -> tuple[SendEmail, SendEmail]:
    """To the customer and to the owner, of the newest of its moves."""
    number = str(booking.moves)
    return SendEmail(Email.MOVED, number), SendEmail(Email.OWNER_MOVED, number)


def to_follow(booking: Booking, trigger: str, now: datetime) -> Booking:
    """The calendar says that something became of the booking's event: it is owed to be asked what."""
    if booking.slot is None or booking.slot.calendar is not CalendarKind.CALENDLY:
        return booking
    return scheduled(booking.owing(now, SyncEvent(trigger)), now)


def moved_in_calendar(
    booking: Booking, asked: Slot, slot: Slot, *, by_owner: bool, moved_at: datetime, now: datetime
) -> Booking:
    """The event was moved in the calendar itself, which has told both. It costs nothing again; moved late by the
    customer, it brings no lost right back. `asked`: the slot whose event was asked about. Where the booking is over,
    the new event is nobody's, and is owed its cancelling.

    Another length is refused while nothing was paid: the price is that of the call as it was. What is paid keeps its
    call, at the new time and no longer than was paid for, and the owner is told."""
    is_as_paid, minutes = is_as_sold(booking, slot), _minutes(slot)
    if not is_as_paid and booking.state is State.PENDING and payment_of(booking) is Payment.NONE:
        return _moved_to_other_length(booking, asked, slot, now)
    slot = _cut_to_paid(booking, slot)
    if booking.slot != asked or (slot.invitee_uri, slot.span) == (asked.invitee_uri, asked.span):
        return booking
    if booking.state is State.CONFIRMED:
        most_back = booking.most_back if by_owner else most_back_after_move(booking, moved_at)
        booking = replace(booking, slot=slot, moves=booking.moves + 1, most_back=most_back)
        booking = booking if is_as_paid else _length_told(booking, minutes, now)
        return scheduled(reminded(booking.noted(now, EventKind.MOVED_IN_CALENDAR), now), now)
    if booking.state in (State.PENDING, State.PAID):
        # It was taken for lost, perhaps, when only the old event was known.
        booking = replace(booking, slot=slot, choose_by=None, flags=booking.flags - {Flag.SLOT_LOST})
        booking = booking if is_as_paid else _length_told(booking, minutes, now)
        return decided(booking.noted(now, EventKind.MOVED_IN_CALENDAR), SlotSeen.UNKNOWN, now)
    return event_unwanted(booking, slot.event_uri, now)


def _moved_to_other_length(booking: Booking, asked: Slot, slot: Slot, now: datetime) -> Booking:
    """The event it had is gone by the customer's own hand, and the new one has no price here: as if given up."""
    if booking.slot != asked:
        return booking
    booking = event_refused(booking, slot, now)
    return booking if booking.cancel_requested else replace(booking, cancel_requested=True, check_at=now)


def _cut_to_paid(booking: Booking, slot: Slot) -> Slot:
    end = min(slot.span.end, slot.span.start + timedelta(minutes=booking.meeting_type.minutes))
    return replace(slot, span=Span(slot.span.start, end)) if slot.event_uri else slot


def _length_told(booking: Booking, minutes: int, now: datetime) -> Booking:
    booking = booking.noted(now, EventKind.OTHER_LENGTH, Length(minutes))
    return booking.owing(now, AlertOwner(AlertKind.OTHER_LENGTH))


def cancelled_in_calendar(
    booking: Booking, asked: Slot, *, by_owner: bool, cancelled_at: datetime, now: datetime
) -> Booking:
    """The event was cancelled in the calendar itself: by the customer, and the policy holds as of that moment; or by
    the owner, and all of the money goes back. Unpaid, it is given up. Paid and not confirmed, its slot is lost."""
    if booking.slot != asked:
        return booking
    if booking.state is State.PENDING and not booking.cancel_requested:
        return replace(booking, cancel_requested=True, check_at=now).noted(now, EventKind.CANCELLED_IN_CALENDAR)
    if booking.state is State.PAID:
        return decided(booking, SlotSeen.LOST, now)
    if booking.state is not State.CONFIRMED:
        return booking
    booking = booking.noted(now, EventKind.CANCELLED_IN_CALENDAR)
    if by_owner:
        booking = refunds.all_of_it(booking, Cause.OWNER, now, refunds.Asked(by="owner"))
        booking = replace(booking, agreed_amount=kept_of(booking))
    else:
        amount = goes_back(booking, cancelled_at)
        booking = refunds.going_back(booking, amount, Cause.CANCELLED, now, refunds.CUSTOMER)
    alert = AlertKind.CANCELLED_BY_OWNER if by_owner else AlertKind.CANCELLED
    return decided(called_off(booking, now).owing(now, AlertOwner(alert)), SlotSeen.UNKNOWN, now)


def may_tell_who_came(booking: Booking, now: datetime) -> bool:
    return booking.state is State.CONFIRMED and booking.slot is not None and now >= booking.slot.span.start


def no_show(booking: Booking, now: datetime, *, came: bool) -> Booking:
    """The owner's word, once the call should have begun: nobody came; or somebody did, after all. No money moves."""
    if not may_tell_who_came(booking, now):
        raise Conflict("Whether the customer came can be told once the call has begun.")
    if came is (booking.no_show_at is None):
        return booking
    after = replace(booking, no_show_at=None if came else now)
    after = after.noted(now, EventKind.CAME_AFTER_ALL if came else EventKind.NO_SHOW)
    if booking.slot is not None and booking.slot.calendar is CalendarKind.CALENDLY:
        after = scheduled(after.owing(now, ReportNoShow(len(after.history))), now)
    return after


def may_agree(booking: Booking) -> bool:
    """Money of a confirmed call was returned by another way than this site, and it is known how much."""
    left = kept_of(booking)
    is_known = not unclear(booking) and not left < nothing(left.currency)
    return booking.state is State.CONFIRMED and left < due(booking) and is_known


def agree(booking: Booking, now: datetime) -> Booking:
    """The owner's word: the call stands, with what is left of its money."""
    if not may_agree(booking):
        raise Conflict("There is nothing to agree to.")
    left = kept_of(booking)
    return decided(
        replace(booking, agreed_amount=left).noted(now, EventKind.AGREED, Amount(left)), SlotSeen.UNKNOWN, now
    )


def called_off(booking: Booking, now: datetime) -> Booking:
    """No call any more. What is left of the money after its refunds is what the policy, or the owner, keeps."""
    left = kept_of(booking)
    booking = moved(booking, State.CANCELLED, now, ended_at=now, agreed_amount=max(left, nothing(left.currency)))
    return released(booking.not_owing(is_reminder), now).owing(now, SendEmail(Email.CANCELLED))
