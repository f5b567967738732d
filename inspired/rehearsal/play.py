"""The words scripts of drills are written in. Each is what a customer, Binance, the clock or a worker does."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from inspired.adapters.mail.smtp import Mail
from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.ledger_store import Run
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.rails import CAPABILITIES, ON_CHAIN, USUAL, RailId
from inspired.domain.booking.refunds import AllOfIt, PartOfIt
from inspired.domain.booking.states import Flag, State
from inspired.domain.booking.status import mail_warning, messages
from inspired.domain.monitoring.rehearsals import Check, Letter, Record, Scene
from inspired.domain.sentences.customer import TEXTS, said
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from inspired.flows.booking import booking as bookings
from inspired.flows.booking import (
    calendly_sync,
    chain_reconciling,
    chain_watching,
    checking,
    delivery,
    payment,
    payment_webhooks,
    reconciling,
    refreshing,
    refund_finding,
    refunding,
    screening,
)
from inspired.flows.booking.booking import Customer
from inspired.flows.monitoring import alerting, sweeping
from inspired.rehearsal.chains import Chains
from inspired.rehearsal.stage import Outbox, Stage
from inspired.services import Services

ANN, BOB = "ann@customers.example", "bob@customers.example"
CALL = "portfolio-review"
ACCOUNT = CAPABILITIES[RailId.BINANCE_PAY].account
MOST_ROUNDS = 30
WAIT_SECONDS = 10.0
log = structlog.get_logger()
PAGES = {checking.NAME: checking.turn_page, chain_reconciling.NAME: chain_reconciling.turn_page}
JOBS: Mapping[str, Callable[..., object]] = {  # as in inspired.jobs
    "refresh": refreshing.update_and_enqueue,
    "refresh_batch": lambda svc, *ids: refreshing.update_batch(svc, ids),
    "deliver": lambda svc, *ids: delivery.work(svc, ids),
    "work_webhook": payment_webhooks.work,
    "tell_of_transfers": chain_watching.tell_of,
    "watch_calendar": calendly_sync.look,
    "find_refunds": refund_finding.look,
    "read_screening_list": screening.read,
    "turn_page": lambda svc, run: PAGES[run](svc),
}


class Play:
    """One drill being played. `svc` is the whole product; a script may go at any part of it."""

    HOUR = timedelta(hours=1)

    def __init__(self, stage: Stage, svc: Services) -> None:
        self.stage = stage
        self.svc = svc
        self._enqueued = sweeping.Enqueued()
        self._began = svc.now()
        self._scenes: list[Scene] = []
        self._checks: list[Check] = []
        self._told = 0  # letters that stand in a scene
        self._left_out = ""
        self._failed: list[str] = []
        self._chains: Chains | None = None
        self.worker_turns()

    @property
    def chains(self) -> Chains:
        """From the first time it is asked for, the owner receives on chain too."""
        if self._chains is None:
            self._chains = Chains(self.stage, self.svc)
        return self._chains

    # --- the customer -----------------------------------------------------------------------------------------------

    def times(self) -> list[Span]:
        now = self.svc.now()
        window = Span(now, now + timedelta(days=14))
        return bookings.free_times(self.svc, self.svc.catalogue.type(CALL), window)

    def hold(
        self, *, email: str = ANN, span: Span | None = None, seconds: float = 5.0, rail: RailId = USUAL
    ) -> Booking:
        """Picks a time (any, or this one) and sends the form, as the page does it; then the worker has its turn."""
        held = self.hold_only(email=email, span=span, seconds=seconds, rail=rail)
        self.work()
        return self.now_of(held)

    def hold_only(
        self,
        *,
        email: str = ANN,
        span: Span | None = None,
        seconds: float = 5.0,
        token: str = "",
        rail: RailId = USUAL,
    ) -> Booking:
        """Without the worker. Raises what the page would tell."""
        self.worker_turns()
        payment.refuse_while_paused(self.svc, rail)
        # Some days ahead, so that no policy's hours are over when time passes.
        start = span.start if span else self.times()[-20].start
        held = bookings.hold_time(
            self.svc,
            self.svc.catalogue.type(CALL),
            start,
            "Europe/Berlin",
            Customer(email, email.partition("@")[0].capitalize(), "203.0.113.7"),
            rail=rail,
            token=token or self.svc.new_token(),
        )
        held = payment.open_held_order(self.svc, held, seconds=seconds)
        self.svc.queue.enqueue("refresh", held.id)
        return held

    def newest(self) -> Booking:
        return self._bookings()[-1]

    def now_of(self, booking: Booking) -> Booking:
        return self.svc.bookings.get(booking.id)

    def confirmed(self, *, email: str = ANN) -> Booking:
        """Held, paid, told by a webhook and confirmed, as on a good day."""
        booking = self.hold(email=email)
        self.pay(booking, notify="now")
        self.wait_for_webhooks(len(self.stage.door.answers) + 1)
        self.work()
        self.scene("Ann’s call is paid and confirmed.")
        return self.now_of(booking)

    def refund(self, booking: Booking, amount: str = "", *, cancels: bool = False, request: str = "") -> None:
        """The owner’s button; then the worker has its turn."""
        self.ask_refund(booking, amount, cancels=cancels, request=request)
        self.work()

    def ask_refund(self, booking: Booking, amount: str = "", *, cancels: bool = False, request: str = "") -> None:
        refunding.refund(
            self.svc,
            booking.id,
            PartOfIt(Money.parse(amount)) if amount else AllOfIt(),
            cancels=cancels,
            note="rehearsed",
            request=request or self.svc.new_token(),
            seen=None,
        )

    def give_up(self, booking: Booking) -> None:
        bookings.give_up(self.svc, booking.token)
        self.work()

    # --- Binance and Calendly ---------------------------------------------------------------------------------------

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.stage.sandbox.control(path, body)

    def pay(self, booking: Booking, *, number: int = 0, **how: Any) -> None:
        """The newest order of the booking, or the one with this number. By default no webhook comes."""
        booking = self.now_of(booking)
        order = next(other for other in reversed(booking.orders) if number in (0, other.number))
        self.control(f"orders/{order.trade_no}/pay", {"notify": "lost", **how})

    def break_calls(self, call: str, fault: str, times: int = 1, *, service: str = "binance") -> None:
        self.control("faults", {service: [{"call": call, "fault": fault, "times": times, "delay_s": 0.1}]})

    def mend_calls(self, path: str = "faults") -> None:
        """Whatever was armed and is not used up works again."""
        answer = self.stage.sandbox.http.call("stand-in", "DELETE", f"{self.stage.sandbox.url}/control/{path}")
        if answer.status != 200:
            raise UpstreamError("stand-in", "faults stay")

    def wait_for_webhooks(self, number: int) -> list[int]:
        """Until so many have come to our door; what each was answered."""
        self._wait(lambda: len(self.stage.door.answers) >= number)
        return list(self.stage.door.answers)

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("orders")
        return found

    def order(self, booking: Booking, number: int = 0) -> str:
        """The status Binance has of the newest order, or of the one with this number."""
        orders = self.now_of(booking).orders
        trade_no = next(order.trade_no for order in reversed(orders) if number in (0, order.number))
        return next(str(order["status"]) for order in self.orders() if order["merchantTradeNo"] == trade_no)

    def announce(self, booking: Booking, biz_status: str) -> None:
        """A genuinely signed message about the booking’s newest order, whatever is true of it."""
        order = self.now_of(booking).orders[-1]
        data = {
            "merchantTradeNo": order.trade_no,
            "totalFee": str(order.amount),
            "currency": order.amount.currency,
            "transactionId": "M_R_282737362839373",
        }
        biz_id = order.prepay_id or (order.checkout.prepay_id if order.checkout else "")
        body = {"biz_status": biz_status, "biz_id": biz_id, "data": data, "order": order.trade_no}
        self.control("notices", body)

    def statuses(self) -> list[str]:
        """Of every order at Binance, oldest first."""
        return [str(order["status"]) for order in self.orders()]

    def refunds_there(self) -> list[tuple[str, str]]:
        """Amount and outcome of each refund as Binance has it."""
        return [(str(refund["amount"]), str(refund["status"])) for refund in self.control("refunds")]

    def _wait(self, is_there: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not is_there() and time.monotonic() < end:
            time.sleep(0.02)

    # --- our own worker and clock -----------------------------------------------------------------------------------

    def work(self) -> None:
        """The worker does every job there is, and those that follow from it."""
        self._work_as(self.svc)

    def worker_turns(self) -> None:
        """A worker looks for work even when there is none. It cannot while the queue is away."""
        if not self.stage.enqueued.unheard and not self.stage.enqueued.lost:
            self.svc.workers.write_turn("rehearsal", self.svc.now())

    def be_killed(self, *, at_save: int = 0, after_mail: str = "") -> None:
        """A worker takes the rings and is gone: when it is about to save a booking for the n-th time, or as soon as
        the mail with these words in its subject is out. The rings are used up."""
        dying = replace(
            self.svc,
            bookings=_Dying(self.svc.bookings, at_save),  # type: ignore[arg-type]
            smtp=_DyingPostman(self.stage.outbox, after_mail),  # type: ignore[arg-type]
        )
        try:
            self._work_as(dying)
        except Killed:
            self.stage.enqueued.take()
        else:
            raise RuntimeError("the worker was not killed")

    def _work_as(self, svc: Services) -> None:
        if self.stage.enqueued.unheard:
            return
        self.worker_turns()
        for _ in range(MOST_ROUNDS):
            taken = self.stage.enqueued.take()
            if not taken:
                return
            for job, ids in taken:
                if job not in JOBS:
                    svc.refused_jobs.add(job, svc.now())
                    continue
                try:
                    JOBS[job](svc, *ids)
                except Exception as error:
                    log.exception("drill_job_failed", job=job)
                    self._failed.append(f"{job}: {type(error).__name__}")

    def pass_time(self, **span: float) -> None:
        """So much later; clock and worker have done what was due meanwhile."""
        self.skip_time(**span)
        self.catch_up()

    def skip_time(self, **span: float) -> None:
        """So much later, and nobody was there to do anything."""
        self.stage.ahead += timedelta(**span)
        self.control("clock", {"advance_s": timedelta(**span).total_seconds()})
        if self._chains is not None:
            self._chains.time_has_passed()

    def catch_up(self) -> None:
        """The watcher's round, then clock and worker, until nothing is due."""
        if self._chains is not None:
            self._chains.watch()
        for _ in range(MOST_ROUNDS):
            due = sweeping.sweep(self.svc, self._enqueued)
            self.work()
            if not due:
                return

    def compare_balances(self) -> None:
        """What happens on chain every night."""
        chain_reconciling.start(self.svc)
        while chain_reconciling.turn_page(self.svc):
            pass

    def watch(self, minutes: int) -> None:
        """So many minutes later; clock and worker have done what was due, and each minute the clock has looked whether
        the owner is to be told of something."""
        self._begin_to_watch()
        for _ in range(minutes):
            self.skip_time(minutes=1)
            self.catch_up()
            self.svc.heartbeats.beat(heartbeats.CLOCK, self.svc.now())
            alerting.look(self.svc)
            alerting.send_due(self.svc)

    def _begin_to_watch(self) -> None:
        """What the clock does by the hour and by night was done: on this stage there is no night."""
        now = self.svc.now()
        for name in (checking.NAME, reconciling.NAME, chain_reconciling.NAME):
            self.svc.runs.start(Run(name, now, now, now, now, now, {}))

    def check_all(self) -> None:
        """The check of the hour."""
        checking.start(self.svc)
        while checking.turn_page(self.svc):
            pass

    # --- looking and checking ---------------------------------------------------------------------------------------

    def scene(self, what: str) -> None:
        """Keep how everything stands now, with the mails since the last scene."""
        shown = tuple(booking for booking in self._bookings() if booking.state is not State.DRAFT)
        new = self.stage.outbox.sent[self._told :]
        self._told += len(new)
        real, drill = self.stage.site_url, self.svc.settings.site_url
        letters = tuple(Letter(mail.to, mail.subject, mail.text.replace(drill, real)) for mail in new)
        customers = tuple(self.who(booking) for booking in shown)
        self._scenes.append(Scene(self.svc.now(), what, shown, customers, letters))

    def _bookings(self) -> list[Booking]:
        """Oldest first."""
        second = timedelta(seconds=1)
        return self.svc.bookings.made(self._began - second, self.svc.now() + second, 20)

    def check(self, claim: str, holds: bool) -> None:
        self._checks.append(Check(claim, bool(holds)))

    def check_state(self, booking: Booking, state: State, *flags: Flag) -> None:
        """The booking is there, and exactly this is odd about it."""
        after = self.now_of(booking)
        odd = f", marked {' and '.join(sorted(flags))}" if flags else ""
        self.check(
            f"{self.who(booking)}’s booking is {state}{odd}.", after.state is state and after.flags == set(flags)
        )

    def who(self, booking: Booking) -> str:
        return delivery.opened(self.svc, self.now_of(booking))["name"]

    def check_told(self, booking: Booking, *expected: MessageId) -> None:
        """The customer's page says so."""
        after = self.now_of(booking)
        told = {one.id: said(one) for one in (*messages(after), mail_warning(after)) if one is not None}
        words = " ".join(told.get(one, TEXTS[one]) for one in expected)
        self.check(f"{self.who(booking)} reads “{words}”", set(expected) <= set(told))

    def check_mails(self, to: str, words: str, number: int = 1) -> None:
        """So many mails to this customer have these words in their subject."""
        found = sum(mail.to == to and words in mail.subject for mail in self.stage.outbox.sent)
        times = {0: "no mail", 1: "one mail"}.get(number, f"{number} mails")
        self.check(f"There is {times} “{words}” to {to.partition('@')[0].capitalize()}.", found == number)

    def check_owner_told(self, words: str, number: int = 1) -> None:
        """So many mails to the owner say so, in subject or text."""
        to = self.svc.settings.owner_email
        found = sum(mail.to == to and words in f"{mail.subject}\n{mail.text}" for mail in self.stage.outbox.sent)
        times = {0: "not told", 1: "told once"}.get(number, f"told {number} times")
        self.check(f"The owner is {times}: “{words}”.", found == number)

    def check_kept(self, amount: str, account: str = ACCOUNT) -> None:
        """What our books say lies at Binance, or on a network."""
        found = self._balances().get((account, "USDT"), Money.parse("0"))
        at = "" if account == ACCOUNT else f" at {account.upper()} addresses"
        self.check(f"The books hold {Money.parse(amount).shown}{at}.", found == Money.parse(amount))

    def booked(self, account: str) -> str:
        """What the books hold on it, in USDT."""
        return str(self._balances().get((account, "USDT"), Money.parse("0")))

    def leave_out_binance(self, why: str) -> None:
        """The stand-in's own books are not held against ours in the end."""
        self._left_out = why

    def check_refunds(self, *wanted: tuple[str, str]) -> None:
        """What Binance has of refunds, in any order."""
        told = ", ".join(f"{amount} USDT {outcome}" for amount, outcome in wanted) or "no refund"
        self.check(f"Binance has {told}.", sorted(self.refunds_there()) == sorted(wanted))

    def check_free(self, booking: Booking, *, is_free: bool) -> None:
        """Whether the booking's time is offered to others."""
        slot = self.now_of(booking).slot
        claim = "The time is free for others." if is_free else "The time is not offered to anybody else."
        self.check(claim, slot is not None and (slot.span in self.times()) is is_free)

    # --- the end ----------------------------------------------------------------------------------------------------

    def ended(self, broken_off: str = "") -> Record:
        """The record of it, with what has to hold after every drill."""
        self.scene("In the end.")
        if len(self._scenes) > 1 and _shows_nothing_new(self._scenes[-2], self._scenes[-1]):
            self._scenes.pop()
        entries = tuple(entry for _, entry in self._entries())
        if not broken_off:
            self.check(
                f"No job of the worker failed{f' ({self._failed[0]})' if self._failed else ''}.", not self._failed
            )
            report = checking.check(self.svc)
            wrong = "; ".join(f"{name}: {what}" for name, _, what in report.found)
            self.check(f"Every invariant holds{f' ({wrong})' if wrong else ''}.", report.is_clean)
            if not self._left_out:
                self._check_against_binance()
            if self._chains is not None:
                self._check_against_chains(self._chains)
        return Record(tuple(self._scenes), tuple(self._checks), entries, broken_off)

    def _entries(self) -> list[tuple[str, Any]]:
        late = self.svc.now() + timedelta(seconds=1)
        return sorted(
            self.svc.ledger.all(checking.BEGINNING, late), key=lambda booked: (booked[1].at, booked[1].number)
        )

    def _check_against_binance(self) -> None:
        """The stand-in keeps books of its own, and shares no code with ours."""
        there: dict[str, Money] = {}

        def moved(currency: str, amount: Money) -> None:
            there[currency] = there.get(currency, Money.parse("0", currency)) + amount

        paid = {order["merchantTradeNo"]: order for order in self.orders() if order["paidAmount"] is not None}
        for order in paid.values():
            moved(order["paidCurrency"], Money.parse(order["paidAmount"], order["paidCurrency"]))
        for refund in self.control("refunds"):
            if refund["status"] == "REFUND_SUCCESS":
                currency = paid[refund["merchantTradeNo"]]["paidCurrency"]
                moved(currency, -Money.parse(refund["refundedAmount"], currency))
        ours = {currency: money for (account, currency), money in self._balances().items() if account == ACCOUNT}
        theirs = {currency: money for currency, money in there.items() if not money.is_nothing}
        self.check("The books agree with what lies at Binance, to the last digit.", ours == theirs)

    def _check_against_chains(self, chains: Chains) -> None:
        accounts = {CAPABILITIES[rail].account for rail in ON_CHAIN}
        ours = {account: money for (account, _), money in self._balances().items() if account in accounts}
        self.check("The books agree with what lies at the addresses, to the last digit.", ours == chains.lies_there())

    def _balances(self) -> dict[tuple[str, str], Money]:
        return balances(entry for _, entry in self._entries())


def _shows_nothing_new(before: Scene, after: Scene) -> bool:
    return after.bookings == before.bookings and not after.letters


class Killed(BaseException):
    """The worker is gone, between two of its lines."""


class _Dying:
    """Bookings as a worker sees them that will not live long: it dies instead of its n-th save."""

    def __init__(self, inner: Any, number: int) -> None:
        self._inner = inner
        self._left = number

    def change(self, *arguments: Any, **more: Any) -> Booking:
        self._left -= 1
        if self._left == 0:
            raise Killed
        changed: Booking = self._inner.change(*arguments, **more)
        return changed

    def change_together(self, known: Sequence[Booking], decide: Callable[[Booking], Booking]) -> Any:
        """One save, however many bookings it saves."""
        self._left -= 1
        if self._left == 0:
            raise Killed
        return self._inner.change_together(known, decide)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _DyingPostman:
    """Sends, and dies of it where the subject has these words."""

    def __init__(self, outbox: Outbox, words: str) -> None:
        self._outbox = outbox
        self._words = words
        self.kept_open = outbox.kept_open

    def send(self, mail: Mail) -> None:
        self._outbox.send(mail)
        if self._words and self._words in mail.subject:
            raise Killed
