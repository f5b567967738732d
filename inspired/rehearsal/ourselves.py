"""Drills: what goes wrong on our own side. Mail, queue, database, a killed worker, a wrong clock, two at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

from inspired.adapters.mongo.payment_logs import Webhook
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Busy, Conflict, SlotTaken
from inspired.domain.shared.messages import MessageId
from inspired.flows.booking import payment
from inspired.flows.shared import idempotency
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, Play

GROUP = Group("Our own side")


@GROUP.drill(
    "mail-down",
    "The mail server is down",
    happens="The call is paid and confirmed while no mail can be sent. An hour later the mail server is back.",
    should="The page says confirmed at once; every mail goes out afterwards, each once.",
)
def mail_down(play: Play) -> None:
    play.stage.outbox.down.set()
    booking = play.hold()
    play.pay(booking)
    play.pass_time(seconds=31)
    play.watch(minutes=12)
    play.scene("Ann has paid. No mail gets out, so not even the one that says so: the page “Alerts” does.")
    standing = play.svc.alerts.all().get("mail")
    play.check("The alert “Mails cannot be sent” has begun.", standing is not None and standing.is_firing)
    play.check_state(booking, State.CONFIRMED)
    play.check_told(booking, MessageId.CONFIRMED)
    play.check("No mail was sent.", not play.stage.outbox.sent)
    for _ in range(4):
        play.pass_time(minutes=15)
    play.stage.outbox.down.clear()
    for _ in range(6):
        play.pass_time(minutes=30)
    play.scene("The mail server is back.")
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("New call")
    play.check_kept("75")


@GROUP.drill(
    "redis-away",
    "The queue is away",
    happens="Redis is gone: Binance’s message is taken, but no worker hears of it. Five minutes later it is back.",
    should="The message is kept, and the owner is told; when the queue is back, clock and worker do what is due.",
)
def redis_away(play: Play) -> None:
    booking = play.hold()
    play.stage.enqueued.lost = True
    play.pay(booking, notify="now")
    play.check("Binance’s message is accepted.", play.wait_for_webhooks(1) == [200])
    play.pass_time(minutes=2)
    play.watch(minutes=3)
    play.scene("Ann has paid. Every job is lost.")
    play.check_state(booking, State.PENDING)
    play.check_owner_told("Redis does not answer")
    play.stage.enqueued.lost = False
    play.pass_time(seconds=16)
    play.scene("Redis is back.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


class _Away:
    """A database that takes no notices."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def add_webhook(self, _: Webhook) -> bool:
        raise Busy("The database does not answer.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@GROUP.drill(
    "database-away",
    "The database is away when Binance calls",
    happens="Binance’s message comes while the database cannot take it.",
    should="It is not acknowledged, so Binance sends it again; then it is taken, and the call is confirmed.",
)
def database_away(play: Play) -> None:
    booking = play.hold()
    play.stage.door.opened_to = replace(play.svc, logs=_Away(play.svc.logs))  # type: ignore[arg-type]
    play.pay(booking, notify="now")
    play.check("The message is not acknowledged.", play.wait_for_webhooks(1)[0] == 503)
    play.scene("Ann has paid, and the database is away.")
    play.stage.door.opened_to = play.svc
    answers = play.wait_for_webhooks(len(play.stage.door.answers) + 1)
    play.check("Sent again, it is accepted.", answers[-1] == 200)
    play.work()
    play.scene("Binance has sent it again.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "worker-killed-before-saving",
    "A worker is killed between Binance’s answer and saving it",
    happens="The worker has asked Binance and knows that the money is there. It dies before that is written down.",
    should="The next one asks again: the call is confirmed, once.",
)
def killed_before_saving(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, notify="now")
    play.wait_for_webhooks(1)
    play.be_killed(at_save=1)
    play.scene("Ann has paid. The worker died over it.")
    play.check_state(booking, State.PENDING)
    play.pass_time(seconds=31)
    play.scene("31 seconds later another worker was there.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "worker-killed-after-mailing",
    "A worker is killed just after it has sent a mail",
    happens="The confirmation is with the mail server. The worker dies before it can tick that off.",
    should="The mail is sent again under the same number, so that a mailbox takes both for one.",
)
def killed_after_mailing(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, notify="now")
    play.wait_for_webhooks(1)
    play.be_killed(after_mail="Confirmed")
    play.scene("The worker died when the mail was out.")
    for _ in range(3):
        play.pass_time(minutes=5)
    play.scene("Fifteen minutes later.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed", 2)
    numbers = {mail.id for mail in play.stage.outbox.sent if mail.to == ANN and "Confirmed" in mail.subject}
    play.check("Both copies of the confirmation have the same number.", len(numbers) == 1)
    play.check_kept("75")


@GROUP.drill(
    "worker-killed-while-refunding",
    "A worker is killed while it refunds",
    happens="Binance has taken the refund. The worker dies before that is written down.",
    should="The next one asks under the same number: the money goes back once.",
)
def killed_while_refunding(play: Play) -> None:
    booking = play.confirmed()
    play.ask_refund(booking, "20")
    play.be_killed(at_save=3)
    play.scene("The worker died when Binance had the refund.")
    play.check_refunds(("20", "REFUND_SUCCESS"))
    for _ in range(3):
        play.pass_time(minutes=1)
    play.scene("Three minutes later.")
    play.check_refunds(("20", "REFUND_SUCCESS"))
    play.check_kept("55")


@GROUP.drill(
    "standstill",
    "Nothing of ours runs for half a day",
    happens="Somebody pays, somebody else does not; then web, worker and clock stand still for twelve hours.",
    should="When they run again, the paid call is confirmed and the unpaid time is free. Nobody is asked twice.",
)
def standstill(play: Play) -> None:
    paid, unpaid = play.hold(), play.hold(email=BOB)
    play.pay(paid)
    play.skip_time(hours=12)
    play.scene("Ann has paid, Bob has not. Twelve hours later everything starts again.")
    for _ in range(3):
        play.pass_time(minutes=1)
    play.scene("Three minutes later.")
    play.check_state(paid, State.CONFIRMED)
    play.check_state(unpaid, State.EXPIRED)
    play.check_free(unpaid, is_free=True)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "clock-off",
    "This machine’s clock is wrong",
    happens="Our clock is ten minutes behind, so Binance refuses every call. Then it is put right; and once more.",
    should="The customer’s time stays held, and the order follows when the clock is right. While it lasts, nothing new "
    "is offered and the owner is told.",
)
def clock_off(play: Play) -> None:
    play.stage.skew = timedelta(minutes=-10)
    booking = play.hold()
    play.scene("Ann holds a time. Binance refuses our calls.")
    play.check_state(booking, State.PENDING)
    play.check("We know by how much our clock is off.", 590 < (play.svc.binance.clock_skew or 0) < 610)
    play.check("There is no order.", play.statuses() == [])
    play.stage.skew = timedelta()
    for _ in range(3):
        play.pass_time(seconds=10)
    play.scene("The clock is right again.")
    play.check("There is one order to pay.", play.statuses() == ["INITIAL"])
    play.pay(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.stage.skew = timedelta(minutes=-10)
    play.watch(minutes=7)
    play.scene("It is wrong once more, for seven minutes.")
    play.check_owner_told("This server's clock differs from Binance's")
    play.check("Nothing new is offered.", payment.is_paused(play.svc))
    play.stage.skew = timedelta()
    play.watch(minutes=15)
    play.scene("It is right.")
    play.check_owner_told("This is over: This server's clock differs from Binance's")
    play.check("Times are offered again.", not payment.is_paused(play.svc))
    play.check_kept("75")


@GROUP.drill(
    "two-want-one-time",
    "Two customers want the same time at once",
    happens="Two customers press the button for the same time in the same moment.",
    should="One of them has it; the other is told that it is taken, and nothing is held or owed.",
)
def two_want_one_time(play: Play) -> None:
    span = play.times()[-20]

    def hold(email: str) -> Booking | None:
        try:
            return play.hold_only(email=email, span=span)
        except SlotTaken:
            return None

    with ThreadPoolExecutor(2) as pool:
        held = [booking for booking in pool.map(hold, (ANN, BOB)) if booking is not None]
    play.work()
    play.scene("Ann and Bob have pressed at once.")
    play.check("One of them has the time, the other was told that it is taken.", len(held) == 1)
    play.check("There is one order.", play.statuses() == ["INITIAL"])


@GROUP.drill(
    "pressed-twice",
    "A customer presses the button twice",
    happens="The same form is sent two times at once, as an impatient finger does it.",
    should="There is one booking and one order, and both presses lead to it.",
)
def pressed_twice(play: Play) -> None:
    def press(_: int) -> Booking | None:
        def make(token: str) -> tuple[int, Booking]:
            return 201, play.hold_only(token=token)

        try:
            return idempotency.once(play.svc, "form:rehearsed", {"form": "same"}, play.svc.new_token(), make)[1]
        except Conflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        held = list(pool.map(press, range(2)))
    play.work()
    play.scene("Ann has pressed twice.")
    play.check(
        "Both presses lead to the same booking.", len({booking.id for booking in held if booking is not None}) == 1
    )
    play.check("Nobody was turned away.", None not in held)
    play.check("There is one order.", play.statuses() == ["INITIAL"])
    play.check_mails(ANN, "not confirmed yet")
