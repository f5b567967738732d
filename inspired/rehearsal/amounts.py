"""Drills: money that does not fit. Too little, too much, twice, too late, in something else."""

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import AboveLimit
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.money import Money
from inspired.flows.booking import booking as bookings
from inspired.flows.booking import payment, payment_limits, refunding
from inspired.flows.booking.booking import Customer
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, CALL, Play

GROUP = Group("Money that does not fit")


@GROUP.drill(
    "too-little",
    "Too little is paid",
    happens="10 USDT arrive for a call of 75.",
    should="Nothing is confirmed. All of it goes back by itself, and the customer is told why.",
)
def too_little(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, amount="10")
    play.pass_time(seconds=31)
    play.scene("Ann has paid 10 USDT.")
    for _ in range(5):
        play.pass_time(minutes=10)
    play.scene("Fifty minutes later.")
    play.check_state(booking, State.REFUNDED, Flag.UNDERPAID)
    play.check_refunds(("10", "REFUND_SUCCESS"))
    play.check_mails(ANN, "Confirmed", 0)
    play.check_mails(ANN, "gone back")
    play.check_owner_told("does not match the price")
    play.check_kept("0")


@GROUP.drill(
    "too-much",
    "Too much is paid",
    happens="80 USDT arrive for a call of 75.",
    should="The call is confirmed, and the 5 USDT go back by themselves.",
)
def too_much(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, amount="80")
    play.pass_time(seconds=31)
    play.pass_time(minutes=1)
    play.scene("Ann has paid 80 USDT.")
    play.check_state(booking, State.CONFIRMED, Flag.OVERPAID)
    play.check_refunds(("5", "REFUND_SUCCESS"))
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "paid-twice",
    "The same call is paid twice",
    happens="The first order was closed and replaced. Both are paid after all.",
    should="The call is confirmed once, and the second payment goes back whole, by itself.",
)
def paid_twice(play: Play) -> None:
    booking = play.hold()
    first = play.now_of(booking).orders[-1].trade_no
    play.control(f"orders/{first}/close", {})
    play.pass_time(seconds=31)
    payment.try_again(play.svc, booking.token)
    play.work()
    play.scene("The first order was closed; Ann has a new one.")
    play.pay(booking)
    play.control(f"orders/{first}/pay", {"notify": "now", "force": True})
    play.wait_for_webhooks(1)
    play.work()
    for _ in range(3):
        play.pass_time(minutes=1)
    play.scene("Both are paid.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_TWICE)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("was paid twice")
    play.check_kept("75")


@GROUP.drill(
    "late-and-free",
    "Paid too late, and the time is still free",
    happens="The money arrives after the time to pay was over. Nobody else has taken the time.",
    should="The customer gets the time back, and the call is confirmed.",
)
def late_and_free(play: Play) -> None:
    booking = play.hold()
    play.pass_time(minutes=17)
    play.scene("Nobody has paid in time.")
    play.check_state(booking, State.EXPIRED)
    play.pay(booking, notify="now")
    play.wait_for_webhooks(2)
    play.work()
    play.pass_time(minutes=1)
    play.scene("Now the money arrives.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


def _late_and_taken(play: Play) -> Booking:
    booking = play.hold()
    play.give_up(booking)
    slot = play.now_of(booking).slot
    other = play.hold(email=BOB, span=slot.span if slot else None)
    play.pay(other)
    play.pass_time(seconds=31)
    play.scene("Ann has given up, and Bob has her time.")
    play.pay(booking)
    play.pass_time(minutes=2)
    play.scene("Now Ann’s money arrives.")
    play.check_state(other, State.CONFIRMED)
    play.check_told(booking, MessageId.CHOOSE_LATE)
    play.check_owner_told("Money arrived after the time to pay was over")
    return booking


@GROUP.drill(
    "late-and-taken-chooses-time",
    "Paid too late, the time is taken: another time",
    happens="The money arrives when somebody else has the time. The customer chooses another one.",
    should="Both have their call, at different times, each paid once.",
)
def chooses_time(play: Play) -> None:
    booking = _late_and_taken(play)
    bookings.choose_another_time(play.svc, booking.token, play.times()[-10].start, "Europe/Berlin")
    play.work()
    play.scene("Ann has chosen another time.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_refunds()
    play.check_kept("150")


@GROUP.drill(
    "late-and-taken-wants-money",
    "Paid too late, the time is taken: the money back",
    happens="The money arrives when somebody else has the time. The customer wants it back.",
    should="All of it goes back.",
)
def wants_money(play: Play) -> None:
    booking = _late_and_taken(play)
    refunding.money_back(play.svc, booking.token)
    play.work()
    play.pass_time(minutes=1)
    play.scene("Ann has asked for her money.")
    play.check_state(booking, State.REFUNDED, Flag.PAID_LATE, Flag.SLOT_LOST)
    play.check_told(booking, MessageId.REFUNDED)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_kept("75")


@GROUP.drill(
    "late-and-taken-says-nothing",
    "Paid too late, the time is taken: no answer",
    happens="The money arrives when somebody else has the time. The customer does not answer for two days.",
    should="The money goes back by itself.",
)
def says_nothing(play: Play) -> None:
    booking = _late_and_taken(play)
    for _ in range(5):
        play.pass_time(hours=10)
    play.scene("Fifty hours later.")
    play.check_state(booking, State.REFUNDED, Flag.PAID_LATE, Flag.SLOT_LOST)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_kept("75")


@GROUP.drill(
    "other-currency",
    "Paid in another currency",
    happens="75 arrive in another currency than the order asked for.",
    should="Nothing is confirmed by it; it is kept, customer and owner are told, and the owner decides.",
)
def other_currency(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, currency="BUSD")
    play.pass_time(seconds=31)
    play.pass_time(minutes=1)
    play.scene("75 BUSD have arrived.")
    play.check("The call is not confirmed.", play.now_of(booking).confirmed_at is None)
    play.check("It needs the owner.", Flag.NEEDS_OWNER in play.now_of(booking).flags)
    play.check_told(booking, MessageId.UNCLEAR)
    play.check_owner_told("A payment cannot be counted")
    play.check_refunds()


@GROUP.drill(
    "paid-after-giving-up",
    "Paid after giving up",
    happens="The customer gives the booking up, and the payment that was on its way arrives all the same.",
    should="The money is found by asking; the time is still free, so the call is confirmed.",
)
def after_giving_up(play: Play) -> None:
    booking = play.hold()
    play.give_up(booking)
    play.scene("Ann has given the booking up.")
    play.check_state(booking, State.CANCELLED)
    play.check("The order is closed.", play.order(booking) == "CANCELED")
    play.pay(booking)
    play.pass_time(minutes=2)
    play.scene("The money arrives, and no message of it.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_kept("75")


@GROUP.drill(
    "binance-keeps-a-fee",
    "Binance keeps a commission",
    happens="Binance keeps one percent of each payment and says so in its message.",
    should="The customer has paid all of it: the call is confirmed, and the fee stands in the books.",
)
def keeps_a_fee(play: Play) -> None:
    play.control("settings", {"commission": "0.01"})
    play.confirmed()
    play.pass_time(minutes=1)
    play.check("The commission stands in the books.", play.booked("fees") == "0.75")
    play.leave_out_binance("what Binance keeps is not on its list of payments")
    play.check_kept("74.25")


@GROUP.drill(
    "above-the-limit",
    "More than one customer may pay",
    happens="9,950 USDT arrive from one customer, who wants to pay for a call held before, and to book another one.",
    should="What was paid stays. No order is made that would bring the customer above 10,000, and no time is held for "
    "one; the owner is told and can allow it.",
)
def above_the_limit(play: Play) -> None:
    waiting = _held_without_order(play)
    booking = play.hold()
    play.pay(booking, amount="9950", notify="now")
    play.wait_for_webhooks(1)
    play.work()
    play.scene("Ann has paid much more than was asked for.")
    orders = len(play.orders())
    payment.open_held_order(play.svc, waiting, seconds=5.0)
    play.svc.queue.enqueue("refresh", waiting.id)
    play.work()
    play.check("Ann is told why no other time is held.", _is_above_limit(play))
    play.scene("Another call of hers is to be paid, and she wants to book a third.")
    play.check("No order was made.", len(play.orders()) == orders)
    play.check_state(booking, State.CONFIRMED, Flag.OVERPAID)
    play.check_owner_told("more than one customer may")
    payment_limits.allow(play.svc, ANN, Money.parse("20000"), 30, "rehearsal", "rehearsed")
    payment.try_again(play.svc, waiting.token)
    play.scene("The owner has allowed it, and Ann has pressed “Try again”.")
    play.check("The order can be paid.", len(play.orders()) == orders + 1)
    play.pay(waiting)
    for _ in range(3):
        play.pass_time(seconds=31)
    play.check_state(waiting, State.CONFIRMED)
    play.check_kept("150")


def _is_above_limit(play: Play) -> bool:
    try:
        play.hold_only()
    except AboveLimit:
        return True
    return False


def _held_without_order(play: Play) -> Booking:
    """As when two forms are sent at once: its time is held, and its order is still to be made."""
    start = play.times()[-30].start
    offered = play.svc.catalogue.type(CALL)
    customer = Customer(ANN, "Ann", "203.0.113.8")
    token = play.svc.new_token()
    return bookings.hold_time(play.svc, offered, start, "Europe/Berlin", customer, token=token)
