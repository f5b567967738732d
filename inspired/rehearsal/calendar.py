"""Drills: what happens in Calendly, told by a webhook or by nobody."""

from datetime import timedelta
from urllib.parse import urlencode

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.messages import MessageId
from inspired.flows.booking import calendar_webhooks, calendly_sync
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, CALL, Play

GROUP = Group("The calendar at Calendly")
BY_API = {"calendar": "calendly_api"}
EVE = "eve@customers.example"


def _event(play: Play, booking: Booking) -> str:
    slot = play.now_of(booking).slot
    return slot.event_uri.rpartition("/")[2] if slot else ""


def _confirmed(play: Play) -> Booking:
    """Without any webhook: those of Calendly begin with the drill's own."""
    booking = play.hold()
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.scene("Ann’s call is paid and confirmed.")
    return play.now_of(booking)


def _followed(play: Play) -> None:
    play.work()
    play.pass_time(minutes=1)


@GROUP.drill(
    "calendly-moved",
    "A customer moves the call in Calendly",
    happens="The customer uses the link in Calendly’s own mail to move a confirmed call.",
    should="Calendly’s webhook tells us, and the call stands at its new time. No money moves.",
    settings=BY_API,
)
def moved(play: Play) -> None:
    booking = _confirmed(play)
    calendar_webhooks.connect(play.svc)
    play.control(f"events/{_event(play, booking)}/reschedule", {})
    answers = play.wait_for_webhooks(2)
    _followed(play)
    play.scene("Ann has moved it in Calendly.")
    play.check("Calendly’s messages are accepted.", set(answers) == {200})
    play.check_state(booking, State.CONFIRMED)
    play.check("It stands at another time.", play.now_of(booking).slot != booking.slot)
    play.check_refunds()
    play.check_kept("75")


@GROUP.drill(
    "calendly-moved-unheard",
    "A move in Calendly that no webhook tells of",
    happens="The customer moves a confirmed call in Calendly, and its webhook gets lost.",
    should="We look ourselves every ten minutes, and follow.",
    settings=BY_API,
)
def moved_unheard(play: Play) -> None:
    booking = _confirmed(play)
    play.control(f"events/{_event(play, booking)}/reschedule", {})
    calendly_sync.look(play.svc)
    _followed(play)
    play.scene("We have looked.")
    play.check("No message came.", not play.stage.door.answers)
    play.check_state(booking, State.CONFIRMED)
    play.check("It stands at another time.", play.now_of(booking).slot != booking.slot)
    play.check_kept("75")


@GROUP.drill(
    "calendly-other-length",
    "A customer makes a paid call longer in Calendly",
    happens="The event type in Calendly offers 90 minutes too, and the customer moves a paid call of 45 to that.",
    should="The call is at the new time, as long as was paid for; the owner is told.",
    settings=BY_API,
)
def other_length(play: Play) -> None:
    booking = _confirmed(play)
    play.control("settings", {"duration_options": "90"})
    play.control(f"events/{_event(play, booking)}/reschedule", {"duration": 90})
    calendly_sync.look(play.svc)
    _followed(play)
    play.scene("Ann has moved her call to a time of 90 minutes.")
    play.check_state(booking, State.CONFIRMED)
    moved, before = play.now_of(booking).slot, booking.slot
    play.check("It stands at another time.", moved is not None and before is not None and moved != before)
    length = moved.span.end - moved.span.start if moved else None
    play.check("It takes 45 minutes, as was paid for.", length == timedelta(minutes=45))
    play.check_owner_told("a time of another length")
    play.check_kept("75")


@GROUP.drill(
    "calendly-cancelled-by-customer",
    "A customer cancels in Calendly",
    happens="The customer cancels a confirmed call in Calendly, days before it starts.",
    should="The policy holds as if it had been cancelled here: the money goes back. The owner is told.",
    settings=BY_API,
)
def cancelled_by_customer(play: Play) -> None:
    booking = _confirmed(play)
    calendar_webhooks.connect(play.svc)
    play.control(f"events/{_event(play, booking)}/cancel", {"reason": "no time", "canceler_type": "invitee"})
    play.wait_for_webhooks(1)
    _followed(play)
    play.scene("Ann has cancelled in Calendly.")
    play.check_state(booking, State.REFUNDED)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_owner_told("A customer cancelled a confirmed call")
    play.check_kept("0")


@GROUP.drill(
    "calendly-cancelled-by-owner",
    "The owner cancels in Calendly",
    happens="The owner cancels a confirmed call in Calendly.",
    should="All of the money goes back, and the customer is told.",
    settings=BY_API,
)
def cancelled_by_owner(play: Play) -> None:
    booking = _confirmed(play)
    calendar_webhooks.connect(play.svc)
    play.control(f"events/{_event(play, booking)}/cancel", {"reason": "ill", "canceler_type": "host"})
    play.wait_for_webhooks(1)
    _followed(play)
    play.scene("The owner has cancelled in Calendly.")
    play.check_state(booking, State.REFUNDED)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_mails(ANN, "ancelled")
    play.check_kept("0")


@GROUP.drill(
    "calendly-forged",
    "Somebody forges a message of Calendly",
    happens="A stranger tells us that a confirmed call was cancelled, in Calendly’s name.",
    should="It is refused; the call stands.",
    settings=BY_API,
)
def calendly_forged(play: Play) -> None:
    booking = _confirmed(play)
    slot = booking.slot
    body = f'{{"event":"invitee.canceled","payload":{{"uri":"{slot.invitee_uri if slot else ""}"}}}}'.encode()
    address = f"{play.svc.settings.site_url}/api/calendly/webhook"
    status = play.stage.sandbox.post(address, body, {"Calendly-Webhook-Signature": f"t=1,v1={'0' * 64}"})
    _followed(play)
    play.scene("A forged message has come.")
    play.check("The message is refused.", status == 401)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "calendly-slot-lost",
    "The event is cancelled while it is being paid",
    happens="The event is gone from Calendly, nobody tells us, and the customer pays.",
    should="The call is not confirmed; the customer chooses another time or the money, and the owner is told.",
    settings=BY_API,
)
def slot_lost(play: Play) -> None:
    booking = play.hold()
    play.control(f"events/{_event(play, booking)}/cancel", {"canceler_type": "host"})
    play.pay(booking)
    play.pass_time(seconds=31)
    play.pass_time(minutes=1)
    play.scene("Ann has paid for a time that is gone.")
    play.check_state(booking, State.PAID, Flag.SLOT_LOST)
    play.check_told(booking, MessageId.CHOOSE)
    play.check_mails(ANN, "Confirmed", 0)
    play.check_owner_told("has lost its slot")
    play.check_kept("75")


@GROUP.drill(
    "calendly-answer-lost",
    "Calendly’s answer to a booking gets lost",
    happens="Calendly has made the event; the connection breaks before we hear of it. The form is sent again.",
    should="The form goes on with the event that is there: one event, one booking, one order.",
    settings=BY_API,
)
def calendly_answer_lost(play: Play) -> None:
    play.break_calls("create_invitee", "accept_then_timeout", service="calendly")
    token, span = play.svc.new_token(), play.times()[-20]
    try:
        play.hold_only(span=span, token=token)
        was_lost = False
    except UpstreamError:
        was_lost = True
    play.scene("Nobody knows whether the time is booked.")
    booking = play.hold_only(span=span, token=token)
    play.work()
    play.scene("Ann has sent the form again.")
    play.check("The answer got lost.", was_lost)
    play.check(
        "There is one event in the calendar.", [event["status"] for event in play.control("events")] == ["active"]
    )
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "calendly-down",
    "Calendly is down when the money comes",
    happens="The customer has paid, and Calendly does not answer whether the time still stands.",
    should="The page says that the money has arrived; the call is confirmed once Calendly answers.",
    settings=BY_API,
)
def calendly_down(play: Play) -> None:
    booking = play.hold()
    play.pay(booking)
    play.break_calls("any", "http_500", 100_000, service="calendly")
    play.pass_time(seconds=31)
    play.scene("Ann has paid. Calendly does not answer.")
    play.check_state(booking, State.PAID)
    play.check_told(booking, MessageId.PAID)
    play.mend_calls()
    for _ in range(4):
        play.pass_time(seconds=31)
    play.scene("Calendly answers again.")
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


def _booked_past_us(play: Play) -> Booking:
    """By Calendly's own page, as anybody can who has its address."""
    page = play.svc.calendly.page_url(CALL, "").partition("?")[0]
    form = {"start_time": play.times()[-20].start.isoformat(), "name": "Eve", "email": EVE}
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    play.check("Eve has booked in Calendly.", play.stage.sandbox.post(page, urlencode(form).encode(), headers) == 201)
    calendly_sync.look(play.svc)
    play.work()
    play.scene("Eve has booked in Calendly itself, past our pages, and we have looked.")
    play.check_mails(EVE, "Please pay for your call")
    play.check_owner_told("Somebody booked in Calendly itself")
    return play.newest()


@GROUP.drill(
    "calendly-past-us-paid",
    "Somebody books in Calendly itself, and pays",
    happens="Somebody who has the address of Calendly’s own page books there, past this site.",
    should="They get a mail with the way to pay and some hours for it; paid, it is a call like any other.",
    settings={"calendar": "calendly"},
)
def past_us_paid(play: Play) -> None:
    booking = _booked_past_us(play)
    play.pay(booking)
    play.pass_time(seconds=31)
    play.scene("Eve has paid.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(EVE, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "calendly-past-us-unpaid",
    "Somebody books in Calendly itself, and does not pay",
    happens="Somebody books in Calendly, past this site, and does not pay.",
    should="When the hours to pay are over the event is cancelled in Calendly, so the time is free again.",
    settings={"calendar": "calendly", "calendly_orphan_hours": "2"},
)
def past_us_unpaid(play: Play) -> None:
    booking = _booked_past_us(play)
    for _ in range(9):
        play.pass_time(minutes=17)
    play.scene("Two and a half hours later.")
    play.check_state(booking, State.EXPIRED)
    play.check("The event is cancelled.", [event["status"] for event in play.control("events")] == ["canceled"])
    play.check_kept("0")
