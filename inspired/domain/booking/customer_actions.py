"""The customer's actions on a booking, from holding a time to cancelling; also the owner's refunds."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from inspired.domain.booking import refunds
from inspired.domain.booking.balance import Payment, due, kept_of, nothing, payment_of, unclear
from inspired.domain.booking.booking import Booking, PaymentOrder, RefundRequest, Sealed, Slot, trade_number
from inspired.domain.booking.history import Amount, EventKind, Length
from inspired.domain.booking.lifecycle import SlotSeen, decided, is_reminder, left_pending, moved, released, reminded
from inspired.domain.booking.outbox import AlertKind, AlertOwner, CancelEvent, Email, ReportNoShow, SendEmail, SyncEvent
from inspired.domain.booking.polling import passed, scheduled
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.refunds import Preview
from inspired.domain.booking.states import CalendarKind, Cause, Flag, State
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.shared.errors import Conflict, OtherLength
from inspired.domain.shared.languages import ENGLISH, Text
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span


def draft(
    *,
    booking_id: str,
    token: str,
    meeting_type: MeetingType,
    terms_version: str,
    now: datetime,
    pays_by: RailId = USUAL,
    language: str = ENGLISH,
    tolerance: Decimal = Decimal(0),
) -> Booking:
    """A booking without a slot yet; the Calendly iframe carries its token."""
    booking = Booking(
        id=booking_id,
        token=token,
        meeting_type=meeting_type,
        created_at=now,
        terms_version=terms_version,
        pays_by=pays_by,
        language=language,
        tolerance=tolerance,
    )
    return scheduled(booking.noted(now, EventKind.STARTED), now)


def paying_by(booking: Booking, rail: RailId) -> Booking:
    """The customer chose this rail for the next order."""
    return replace(booking, pays_by=rail)


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
    """Give the draft its slot: PENDING, with a first order to be created at once and the mail that confirms the
    hold."""
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
        orders=(
            PaymentOrder(
                1, trade_number(booking.id, 1), created_at=now, amount=booking.price, retry_at=now, rail=booking.pays_by
            ),
        ),
    )
    return scheduled(booking.noted(now, EventKind.HELD).owing(now, SendEmail(Email.HELD)), now)


def past_our_pages(booking: Booking, now: datetime) -> Booking:
    """The customer booked directly in the calendar, so they do not know this site yet: send another mail and tell the
    owner."""
    booking = booking.not_owing(lambda task: task == SendEmail(Email.HELD)).noted(now, EventKind.FOUND_IN_CALENDAR)
    return scheduled(booking.owing(now, SendEmail(Email.UNPAID), AlertOwner(AlertKind.PAST_OUR_PAGES)), now)


def give_up(booking: Booking, now: datetime) -> Booking:
    """The customer gives up. The slot is released only once the order is seen closed."""
    if booking.state is State.DRAFT:
        return scheduled(left_pending(moved(booking, State.CANCELLED, now, ended_at=now), now), now)
    if booking.state is not State.PENDING:
        raise Conflict("This booking can no longer be cancelled here.")
    if booking.cancel_requested:
        return booking
    return replace(booking, cancel_requested=True, check_at=now).noted(now, EventKind.GIVEN_UP)


def change_time(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """Move an unpaid booking to another slot. Price, order and deadline stay."""
    if booking.state is not State.PENDING or booking.cancel_requested or passed(booking.expires_at, now):
        raise Conflict("The time can be changed only while the booking waits for its payment.")
    refuse_unfit(booking, slot)
    before = booking
    booking = replace(booking, slot=slot).noted(now, EventKind.TIME_CHANGED)
    return scheduled(without_event_of(before.slot, booking, now), now)


def without_event_of(old: Slot | None, booking: Booking, now: datetime) -> Booking:
    """The booking has a new slot: cancel the old slot's event."""
    uri = old.event_uri if old is not None else ""
    is_its_own = booking.slot is not None and booking.slot.event_uri == uri
    return booking.owing(now, CancelEvent(uri)) if uri and not is_its_own else booking


def refuse_unfit(booking: Booking, slot: Slot) -> None:
    """A slot picked later is paid by the same price, so the same rules apply."""
    refuse_given_back(booking, slot)
    refuse_other_length(booking, slot)


def refuse_given_back(booking: Booking, slot: Slot) -> None:
    if slot.event_uri and booking.gave_back(slot.event_uri):
        raise Conflict("That time was given back already. Please choose another one.")


def is_as_sold(booking: Booking, slot: Slot) -> bool:
    """True if the slot is as long as the call sold. In Calendly the customer may pick another length; lengths are
    priced separately here, so another length has no price."""
    length = timedelta(minutes=booking.meeting_type.minutes)
    return not slot.event_uri or slot.span.end - slot.span.start == length


def refuse_other_length(booking: Booking, slot: Slot) -> None:
    if not is_as_sold(booking, slot):
        raise OtherLength(
            Text.of(
                "This call takes {wanted} minutes, and {chosen} minutes were chosen in Calendly. That time is given "
                "back. Please choose one again, with the right length.",
                wanted=booking.meeting_type.minutes,
                chosen=_minutes(slot),
            )
        )


def _minutes(slot: Slot) -> int:
    return (slot.span.end - slot.span.start) // timedelta(minutes=1)


def event_refused(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """The picked event cannot be this booking's slot: cancel it and record why."""
    if booking.gave_back(slot.event_uri) or (booking.slot is not None and booking.slot.event_uri == slot.event_uri):
        return booking
    if not is_as_sold(booking, slot):
        booking = booking.noted(now, EventKind.OTHER_LENGTH, Length(_minutes(slot)))
    return event_unwanted(booking, slot.event_uri, now)


def event_unwanted(booking: Booking, event_uri: str, now: datetime) -> Booking:
    """Cancel an event that carries this booking's token but is not its slot."""
    if booking.slot is not None and booking.slot.event_uri == event_uri:
        return booking
    return scheduled(booking.owing(now, CancelEvent(event_uri)), now)


# --- paid, but without a time ---------------------------------------------------------------------------------------


def may_choose(booking: Booking, now: datetime) -> bool:
    """True while the customer may choose another time or the money back: the page shows two buttons."""
    open_ = booking.choose_by is not None and not passed(booking.choose_by, now)
    return open_ and payment_of(booking) is Payment.EXACT


def another_time(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """The customer paid too late or lost the slot, and chose another one at no extra cost."""
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


# --- cancelling and moving a confirmed call -------------------------------------------------------------------------


def may_cancel(booking: Booking, now: datetime) -> bool:
    return booking.state is State.CONFIRMED and booking.slot is not None and now < booking.slot.span.start


def goes_back(booking: Booking, now: datetime) -> Money:
    """What the customer gets back for cancelling now, under the policy the booking was made with."""
    if booking.slot is None:
        return kept_of(booking)
    percent = min(booking.meeting_type.policy.percent(booking.slot.span.start, now), booking.most_back)
    return min(booking.price.share(percent), kept_of(booking))


def cancel(booking: Booking, told: Money, now: datetime) -> Booking:
    """The customer cancels. `told` is the refund the page promised; if it has changed, raises Conflict and does
    nothing."""
    if not may_cancel(booking, now):
        raise Conflict("This call can no longer be cancelled here.")
    amount = goes_back(booking, now)
    if amount != told:
        raise Conflict(
            Text.of("Meanwhile the refund for cancelling has become {amount}. Please look again.", amount=amount.shown)
        )
    booking = refunds.going_back(booking, amount, Cause.CANCELLED, now, refunds.CUSTOMER)
    return decided(called_off(booking, now).owing(now, AlertOwner(AlertKind.CANCELLED)), SlotSeen.UNKNOWN, now)


def refund_all(
    booking: Booking, now: datetime, *, cancels: bool, note: str = "", request: RefundRequest | None = None
) -> Booking:
    """The owner refunds all that is left. Repeating the request does nothing more; another request under its name is
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
    """The owner refunds part of a confirmed call's money; before confirmation it only goes back as a whole. Requests as
    with `refund_all`. Raises Invalid, Conflict."""
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
    """The owner refunds one order whose money cannot be counted; the call and its kept amount stay. Requests as with
    `refund_all`. Raises Conflict."""
    if _was_asked(booking, request):
        return booking
    _allowed(refunds.checked_order(booking, order))
    asked = refunds.Asked("owner", note, request)
    return decided(refunds.uncounted_back(booking, order, Cause.OWNER, now, asked), SlotSeen.UNKNOWN, now)


def _was_asked(booking: Booking, request: RefundRequest | None) -> bool:
    """True if this request was made before. Raises Conflict if its name was used for another request."""
    before = refunds.of_request(booking, request.name) if request is not None else ()
    if before and before[0].request != request:
        raise Conflict("This Idempotency-Key was used for another refund.")
    return bool(before)


def _allowed(preview: Preview) -> Preview:
    if preview.blocked:
        raise Conflict(preview.warnings[0])
    return preview


def _may_keep(booking: Booking) -> bool:
    """True if what is not refunded is kept, because the call was confirmed."""
    return booking.state is State.CONFIRMED or booking.agreed_amount is not None


def _unchosen(booking: Booking) -> Booking:
    """The owner has decided, so the customer no longer chooses between another time and the money."""
    return booking if _may_keep(booking) else replace(booking, choose_by=None)


def _left_with(booking: Booking, preview: Preview, now: datetime) -> Booking:
    """After recording the refunds: keep the remainder, and cancel the call if requested."""
    if _may_keep(booking):
        booking = replace(booking, agreed_amount=preview.remains)
    if preview.cancels and booking.state is State.CONFIRMED:
        booking = called_off(booking, now).owing(now, AlertOwner(AlertKind.CANCELLED_BY_OWNER))
    return decided(booking, SlotSeen.UNKNOWN, now)


def may_move(booking: Booking, now: datetime) -> bool:
    """True if the customer may move the call. Calls booked in Calendly's iframe are moved there instead."""
    if booking.state is not State.CONFIRMED or booking.slot is None:
        return False
    return now < booking.slot.span.start - booking.meeting_type.policy.move_until


def most_back_after_move(booking: Booking, now: datetime) -> int:
    """Percent of the price still refundable. Moving is free, but does not restore a free-cancellation period that is
    over."""
    if booking.slot is None:
        return booking.most_back
    return min(booking.meeting_type.policy.percent(booking.slot.span.start, now), booking.most_back)


def move(booking: Booking, slot: Slot, seen: int, now: datetime) -> Booking:
    """Move a confirmed call to another time; what was paid stays. `seen` is the number of moves when the customer
    decided, so that an old page or link does not move it twice. Raises Conflict."""
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
    """The mails to the customer and the owner about the latest move."""
    number = str(booking.moves)
    return SendEmail(Email.MOVED, number), SendEmail(Email.OWNER_MOVED, number)


def to_follow(booking: Booking, trigger: str, now: datetime) -> Booking:
    """The calendar reported a change of the booking's event: enqueue a task to fetch it."""
    if booking.slot is None or booking.slot.calendar is not CalendarKind.CALENDLY:
        return booking
    return scheduled(booking.owing(now, SyncEvent(trigger)), now)


def moved_in_calendar(
    booking: Booking, asked: Slot, slot: Slot, *, by_owner: bool, moved_at: datetime, now: datetime
) -> Booking:
    """The event was moved in Calendly, which told both people. It costs nothing; a late move by the customer restores
    no refund right. `asked` is the slot whose event was queried. If the booking is over, the new event is cancelled.

    While unpaid, another length is refused: the price is for the original length. A paid booking keeps its call at the
    new time, cut to the paid length, and the owner is told.
    """
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
        # It may have been marked lost while only the old event was known.
        booking = replace(booking, slot=slot, choose_by=None, flags=booking.flags - {Flag.SLOT_LOST})
        booking = booking if is_as_paid else _length_told(booking, minutes, now)
        return decided(booking.noted(now, EventKind.MOVED_IN_CALENDAR), SlotSeen.UNKNOWN, now)
    return event_unwanted(booking, slot.event_uri, now)


def _moved_to_other_length(booking: Booking, asked: Slot, slot: Slot, now: datetime) -> Booking:
    """The customer replaced the event by one of another length, which has no price here: treat it as giving up."""
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
    """The event was cancelled in Calendly. By the customer: the policy applies as of that moment. By the owner: all
    money goes back. Unpaid: it counts as given up. Paid but not confirmed: its slot is lost."""
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
    """Record whether the customer came, once the call should have begun. No money moves. Raises Conflict."""
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
    """True if a known part of a confirmed call's money was returned outside this site."""
    left = kept_of(booking)
    is_known = not unclear(booking) and not left < nothing(left.currency)
    return booking.state is State.CONFIRMED and left < due(booking) and is_known


def agree(booking: Booking, now: datetime) -> Booking:
    """The owner agrees that the call stands with what is left of its money. Raises Conflict."""
    if not may_agree(booking):
        raise Conflict("There is nothing to agree to.")
    left = kept_of(booking)
    return decided(
        replace(booking, agreed_amount=left).noted(now, EventKind.AGREED, Amount(left)), SlotSeen.UNKNOWN, now
    )


def called_off(booking: Booking, now: datetime) -> Booking:
    """Cancel the call. Whatever money remains after its refunds is kept, under the policy or the owner's decision."""
    left = kept_of(booking)
    booking = moved(booking, State.CANCELLED, now, ended_at=now, agreed_amount=max(left, nothing(left.currency)))
    return released(booking.not_owing(is_reminder), now).owing(now, SendEmail(Email.CANCELLED))
