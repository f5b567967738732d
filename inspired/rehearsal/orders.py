"""Drills: orders that cannot be made, answers that get lost, and a Binance that does not answer at all."""

from datetime import timedelta

from inspired.domain.booking.payment_orders import may_try_again
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Paused, UpstreamError
from inspired.domain.shared.messages import MessageId
from inspired.flows.booking import payment
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, Play

GROUP = Group("Orders, and Binance out of reach")


@GROUP.drill(
    "create-refused",
    "The order cannot be made at first",
    happens="Binance answers two times with an error when we ask for the order.",
    should="The time is held meanwhile; the order follows within seconds, and can be paid.",
)
def create_refused(play: Play) -> None:
    play.break_calls("create", "http_500", 2)
    booking = play.hold()
    play.scene("Ann holds a time. There is no QR code yet.")
    play.check_state(booking, State.PENDING)
    play.check("There is nothing to pay yet.", play.now_of(booking).orders[-1].checkout is None)
    for _ in range(3):
        play.pass_time(seconds=6)
    play.scene("Some seconds later.")
    play.check("There is one order to pay.", [order["status"] for order in play.orders()] == ["INITIAL"])
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "create-answer-lost",
    "The order is made, but its answer gets lost",
    happens="Binance makes the order; the connection breaks before the QR code reaches us.",
    should="The lost order is closed and replaced by one with a QR code. Never are two of them payable.",
)
def create_answer_lost(play: Play) -> None:
    play.break_calls("create", "accept_then_timeout")
    booking = play.hold()
    play.scene("Ann holds a time. Whether there is an order nobody knows.")
    for _ in range(3):
        play.pass_time(seconds=6)
    play.scene("Some seconds later.")
    play.check("The first order is closed, the second can be paid.", play.statuses() == ["CANCELED", "INITIAL"])
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "create-never-arrived",
    "The question for an order gets lost",
    happens="The connection hangs and breaks before Binance has heard of the order.",
    should="We ask for the number first, learn that nothing is there, and make the order: one, not two.",
)
def create_never_arrived(play: Play) -> None:
    play.break_calls("create", "timeout")
    booking = play.hold()
    play.scene("Ann holds a time. Whether there is an order nobody knows.")
    for _ in range(3):
        play.pass_time(seconds=6)
    play.scene("Some seconds later.")
    play.check("There is one order.", play.statuses() == ["INITIAL"])
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "create-gives-up",
    "The order cannot be made for long",
    happens="Binance refuses to make the order until our tries are used up. Then the customer presses “Try again”.",
    should="The page says so and has the button, the owner is told, and the button makes the order.",
    settings={"payment_retry_attempts": "2"},
)
def create_gives_up(play: Play) -> None:
    play.break_calls("create", "http_500", 2)
    booking = play.hold()
    for _ in range(3):
        play.pass_time(seconds=10)
    play.scene("The tries are used up.")
    play.check("The page has the button “Try again”.", may_try_again(play.now_of(booking), play.svc.now()))
    play.check_owner_told("An order could not be created")
    payment.try_again(play.svc, booking.token)
    play.work()
    play.scene("Ann has pressed “Try again”.")
    play.check("There is one order to pay.", play.statuses() == ["INITIAL"])
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "nobody-pays",
    "Nobody pays",
    happens="A time is held, and the customer goes away.",
    should="When the time to pay is over the order is seen closed, then the time is free; the customer is told.",
)
def nobody_pays(play: Play) -> None:
    booking = play.hold()
    play.scene("Ann holds a time.")
    play.pass_time(minutes=17)
    play.scene("17 minutes later.")
    play.check_state(booking, State.EXPIRED)
    play.check_told(booking, MessageId.EXPIRED)
    play.check("The order can no longer be paid.", play.order(booking) in ("CANCELED", "EXPIRED"))
    play.check_free(booking, is_free=True)
    play.check_mails(ANN, "Not paid")
    play.check_kept("0")


@GROUP.drill(
    "paid-at-the-last-second",
    "Paid in the last second",
    happens="The customer pays when the countdown ends, the webhook gets lost, and nobody looks until later.",
    should="Before the time is given away Binance is asked: the call is confirmed.",
)
def last_second(play: Play) -> None:
    booking = play.hold()
    play.pay(booking)
    play.skip_time(minutes=17)
    play.scene("Ann paid in time. 17 minutes later we look.")
    play.catch_up()
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "binance-down-while-paying",
    "Binance goes down just after the payment",
    happens="Binance’s message comes through, but our question to confirm it gets no answer. Later it does.",
    should="The page says that the money has arrived; the call is confirmed once Binance answers again.",
)
def down_while_paying(play: Play) -> None:
    booking = play.hold()
    play.break_calls("query", "http_500", 3)
    play.pay(booking, notify="now")
    play.wait_for_webhooks(1)
    play.work()
    play.scene("The message has come. Binance does not answer our question.")
    play.check_state(booking, State.PAID)
    play.check_told(booking, MessageId.PAID)
    play.check_mails(ANN, "Confirmed", 0)
    for _ in range(6):
        play.pass_time(seconds=31)
    play.scene("Three minutes later Binance answers again.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "binance-down-at-the-deadline",
    "Binance cannot be asked when the time to pay is over",
    happens="Nobody knows whether the customer has paid, since Binance does not answer for a quarter of an hour.",
    should="The time stays held, the owner is told after ten minutes; once Binance answers, the money counts.",
)
def down_at_the_deadline(play: Play) -> None:
    booking = play.hold()
    play.pay(booking)
    play.break_calls("any", "http_500", 100_000)
    play.skip_time(minutes=15)
    for _ in range(14):
        play.pass_time(minutes=1)
    play.scene("29 minutes later. Ann has paid, and Binance does not answer.")
    play.check_state(booking, State.PENDING)
    play.check_free(booking, is_free=False)
    play.check_owner_told("could not be asked about an order for ten minutes")
    play.mend_calls()
    for _ in range(5):
        play.pass_time(minutes=5)
    play.scene("Binance answers again.")
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "binance-unreadable",
    "Binance answers with something nobody can read",
    happens="Instead of its answer a page of some firewall comes back, three times.",
    should="Nothing is concluded from it. We ask again, and the call is confirmed.",
)
def unreadable(play: Play) -> None:
    booking = play.hold()
    play.pay(booking)
    play.break_calls("query", "html", 3)
    play.pass_time(seconds=31)
    play.scene("Ann has paid. The answer to our question is a web page.")
    play.check_state(booking, State.PENDING)
    for _ in range(6):
        play.pass_time(seconds=31)
    play.scene("Three minutes later.")
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "too-many-calls",
    "Binance says we ask too often",
    happens="Binance answers “too many requests” to our questions.",
    should="We wait and ask again; nothing is lost.",
)
def too_many_calls(play: Play) -> None:
    booking = play.hold()
    play.pay(booking)
    play.break_calls("query", "http_429", 2)
    for _ in range(4):
        play.pass_time(seconds=31)
    play.scene("Two minutes later.")
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")


@GROUP.drill(
    "payments-paused",
    "Binance is down: nothing new is offered",
    happens="Five calls in a row get no usable answer. Somebody wants to book.",
    should="Nothing is held that nobody could pay for, and the page says so. It ends by itself.",
)
def payments_paused(play: Play) -> None:
    play.break_calls("any", "http_500", 5)
    for _ in range(5):
        try:
            play.svc.binance.query("x" * 27)
        except UpstreamError:
            continue
    is_refused = _is_paused(play)
    play.scene("Five calls have failed. Ann wants to book.")
    play.check("Ann is told that payments are paused, and nothing was held.", is_refused)
    play.check(
        "There is no booking.", not play.svc.bookings.made(play.svc.now() - timedelta(hours=1), play.svc.now(), 1)
    )
    play.skip_time(seconds=30)
    booking = play.hold()
    play.scene("Half a minute later.")
    play.check_state(booking, State.PENDING)
    play.check("Calls go through again.", play.svc.binance.state().word == "ok")


@GROUP.drill(
    "binance-refuses",
    "Binance refuses every call",
    happens="Bob has a call. Then our key is revoked: Binance answers, and takes no call of ours. Ann wants to book.",
    should="Nothing is held that nobody could pay for. The owner is told with Binance’s own words, and it ends by "
    "itself. Bob’s refund, asked for meanwhile, goes out then.",
)
def binance_refuses(play: Play) -> None:
    bob = play.confirmed(email=BOB)
    play.break_calls("any", "key_refused", 1000)
    play.refund(bob, cancels=True)
    play.watch(minutes=3)
    is_refused = _is_paused(play)
    play.scene("The key is revoked. Bob is to get his money back; Ann wants to book.")
    play.check("Ann is told that payments are paused, and nothing was held.", is_refused)
    play.check("There is Bob’s booking alone.", len(play.orders()) == 1)
    play.check_owner_told("Binance Pay refuses every call")
    play.check_owner_told("400004 “Invalid API-key, IP, or permissions for action.”: The key was revoked")
    play.check_refunds()
    play.mend_calls()
    play.watch(minutes=15)
    play.scene("There is a new key.")
    play.check_owner_told("This is over: Binance Pay refuses every call")
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_state(bob, State.REFUNDED)
    play.check_state(play.hold(), State.PENDING)


def _is_paused(play: Play) -> bool:
    play.skip_time(seconds=2)  # what pages know of it may be a second old
    try:
        play.hold()
    except Paused:
        return True
    return False


@GROUP.drill(
    "answer-slow",
    "Binance is slow",
    happens="Binance makes the order, but takes longer to answer than a customer waits.",
    should="The page comes at once and says that the payment is being prepared; then it can be paid, once.",
)
def answer_slow(play: Play) -> None:
    play.control("faults", {"binance": [{"call": "create", "fault": "slow", "delay_s": 0.8}]})
    booking = play.hold(seconds=0.4)
    play.scene("Ann holds a time. Binance has not answered yet.")
    play.check_state(booking, State.PENDING)
    for _ in range(3):
        play.pass_time(seconds=6)
    play.scene("Some seconds later.")
    play.check("One order can be paid.", play.statuses().count("INITIAL") == 1)
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75")
