"""The product as it is, over the doubles of `memory`, with a clock that only moves when it is told to.

`World` has one method for everything that can happen: to customers, to the owner, to the provider, to our processes.
"""

import base64
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from inspired import jobs
from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mail.mail_templates import Letters
from inspired.adapters.providers.binance import WebhookHeaders
from inspired.domain.booking import customer_actions
from inspired.domain.booking import wallet_refunds as rules
from inspired.domain.booking.balance import kept_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import AllOfIt, Outcome, PartOfIt
from inspired.domain.booking.states import State
from inspired.domain.catalogue.availability import AS_USUAL, Availability, Rules
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.domain.shared.errors import BadSignature, Busy, Refusal, UpstreamError
from inspired.domain.shared.money import PLACES, Money
from inspired.domain.shared.networks import Network, units_of
from inspired.domain.shared.slots import Span
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import (
    other_rail,
    payment,
    payment_webhooks,
    reconciling,
    refreshing,
    refunding,
    wallet_refunds,
)
from inspired.flows.booking.booking import Customer
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.monitoring import sweeping
from inspired.flows.shared import idempotency
from inspired.services import Services, cached_status
from inspired.settings import Settings
from tests.harness import ADMIN_HASH
from tests.simulation.chains import (
    EXCHANGE,
    WALLET,
    FixedReceiving,
    MemoryAddresses,
    MemoryChain,
    MemoryTransfers,
    NoScreeningList,
    OnMemoryChain,
)
from tests.simulation.memory import (
    AsMade,
    BusyWorkers,
    Crash,
    FixedOffer,
    MemoryBookings,
    MemoryKeys,
    MemoryLedger,
    MemoryLogs,
    MemoryOrphans,
    MemoryPay,
    MemoryQueue,
    MemorySmtp,
    MemoryStatusCache,
    NoOwnCalendar,
    NoPeople,
    NoSubscribers,
    NoTickets,
    OpenGate,
    Order,
    Trouble,
    Wire,
    signature_of,
)

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)  # a Tuesday
MILLISECOND = timedelta(milliseconds=1)
LETTERS = Letters()  # the real ones; their templates are read once
KEY = base64.b64encode(b"e" * 32).decode()
VAULT = Vault(f"v1:{KEY}", KEY)
CALENDAR = Availability(ZoneInfo("Europe/London"))
QUESTION, REVIEW, DEEP_DIVE, _ = MEETING_TYPES
TYPES = (
    replace(QUESTION, rules=Rules(before=timedelta(minutes=5), after=timedelta(minutes=10), most_per_day=2)),
    DEEP_DIVE,
    replace(REVIEW, policy=replace(REVIEW.policy, top_up=True)),
)
SETTINGS = Settings(
    site_url="http://localhost",
    secret_key="a secret key that is long enough for tests",
    dev_mode=True,
    mongodb_uri="mongodb://127.0.0.1:9",
    redis_url="redis://127.0.0.1:9",
    encryption_keys=f"v1:{KEY}",
    blind_index_key=KEY,
    binance_pay_environment="sandbox",
    binance_pay_api_key="sandbox-api-key",
    binance_pay_secret_key="sandbox-secret-key",
    binance_pay_base_url="http://127.0.0.1:9",
    binance_pay_webhook_url="http://127.0.0.1:9/api/payments/webhook",
    calendar="builtin",
    meeting_place="https://meet.example/room",
    smtp_host="127.0.0.1",
    smtp_tls="none",
    mail_from="calls@example.com",
    owner_email="owner@example.com",
    admin_email="owner@example.com",
    admin_password_hash=ADMIN_HASH,
)
STARTS = [span.start for span in CALENDAR.calls(30, AS_USUAL, Span(START, START + timedelta(days=29)), START)]


class World:
    """`foreign` are genuine payments for orders nobody here knows; `by_hand` is what the owner paid back by other ways,
    per booking; `confirmed_addresses` are those for refunds, per booking; `sent_back` is the transaction the owner sent
    for a refund; `disturbed` are jobs in which something went wrong, and so may have been done again."""

    latest: "World"

    def __init__(self, commission: str = "0", tolerance: str = "0") -> None:
        World.latest = self
        self.tolerance = Decimal(tolerance)
        self.confirmed_addresses: dict[str, set[str]] = {}
        self.sent_back: dict[str, tuple[Network, str]] = {}
        self.now = START
        self.skew = self.worst_skew = timedelta()
        self.wire = Wire()
        self.wire.passing, self.wire.struck = self._passing, self._struck
        self.stack: list[tuple[int, str, Callable[[], Any]]] = []
        self.jobs_made = 0
        self.disturbed: set[int] = set()
        self.said: Counter[str] = Counter()
        self.foreign: list[tuple[str, Money]] = []
        self.settling: set[str] = set()
        self.by_hand: Counter[str] = Counter()
        self.keys: dict[str, set[str]] = {}
        self._ids = 0
        self.status_cache = MemoryStatusCache()
        self.bookings = MemoryBookings(self.wire, lambda one: self.status_cache.publish(one.token, cached_status(one)))
        self.logs, self.ledger = MemoryLogs(self.wire), MemoryLedger(self.wire)
        self.orphans, self.idempotency = MemoryOrphans(self.wire), MemoryKeys(self.wire)
        self.queue = MemoryQueue(self.wire)
        self.pay = MemoryPay(self.wire, lambda: self.now)
        self.pay.commission = Decimal(commission)
        self.smtp = MemorySmtp(self.wire, lambda: self.stack[-1][0])
        self.chains = {
            network: MemoryChain(network, self.wire, lambda: self.now, START - timedelta(hours=1))
            for network in Network
        }
        self.addresses, self.transfers = MemoryAddresses(self.wire), MemoryTransfers(self.wire)
        self.svc = self._services()
        self._watches: dict[Network, ChainWatch] = {}
        self._enqueued = sweeping.Enqueued()

    def _services(self) -> Services:
        chains = {
            network: OnMemoryChain(
                chain,
                receiving=FixedReceiving(),
                addresses=self.addresses,
                transfers=self.transfers,
                now=lambda: self.now + self.skew,
                tolerance=self.tolerance,
            )
            for network, chain in self.chains.items()
        }
        doubles: Any = {
            "settings": SETTINGS.model_copy(update={"sender_fee_tolerance": self.tolerance}),
            "now": lambda: self.now + self.skew,
            "new_id": lambda: f"b{self._count():023d}",
            "new_token": lambda: f"t{self._count():027d}",
            "bookings": self.bookings,
            "availability_cache": self.bookings,
            "logs": self.logs,
            "ledger": self.ledger,
            "orphans": self.orphans,
            "keys": self.idempotency,
            "subscribers": NoSubscribers(),
            "tickets": NoTickets(),
            "people": NoPeople(),
            "gate": OpenGate(),
            "workers": BusyWorkers(lambda: self.now + self.skew),
            "vault": VAULT,
            "rails": {RailId.BINANCE_PAY: self.pay, **{RailId(network): one for network, one in chains.items()}},
            "chains": chains,
            "payment_addresses": self.addresses,
            "transfers": self.transfers,
            "screening": NoScreeningList(),
            "receiving": FixedReceiving(),
            "binance": self.pay,
            "catalogue": FixedOffer(TYPES, CALENDAR),
            "own_calendar": NoOwnCalendar(),
            "preferences": AsMade(),
            "smtp": self.smtp,
            "mail_templates": LETTERS,
            "queue": self.queue,
            "status_cache": self.status_cache,
            "ping": lambda: None,
            "close": lambda: None,
        }
        unused = {name: None for name in Services.__dataclass_fields__ if name not in doubles}
        return Services(**doubles, **unused)

    def _count(self) -> int:
        self._ids += 1
        return self._ids

    def set_clocks(self, off: timedelta) -> None:
        """Our processes' clocks are so far off the provider's. What they put off, they put off by as much too long."""
        self.skew, self.worst_skew = off, max(self.worst_skew, off)

    # --- processes ---

    def run(self, job: Callable[[], Any], *, about: str = "", trouble: Trouble | None = None) -> Any:
        """One process does one thing. None where it died of it, was refused, or could not reach somebody."""
        self.jobs_made += 1
        self.stack.append((self.jobs_made, about, job))
        before = (self.wire.trouble, self.wire.left)
        self.wire.arm(trouble)
        try:
            return job()
        except Crash:
            self.pay.forgotten()
            self._watches.clear()  # it may have been the watcher's process
        except (Busy, Refusal, UpstreamError) as error:
            self.said[type(error).__name__] += 1
            self.disturbed.add(self.stack[-1][0])
        finally:
            self.pay.is_behind = False
            self.stack.pop()
            self.wire.trouble, self.wire.left = before
        return None

    def _passing(self) -> None:
        self.now += MILLISECOND

    def _struck(self, trouble: Trouble) -> None:
        _, about, job = self.stack[-1]
        if trouble.kind == "meanwhile" and trouble.what == "same":
            self.run(job, about=about)
            return
        self.disturbed.update(one for one, _, _ in self.stack)
        if trouble.kind == "meanwhile":
            OTHERS[trouble.what](self, about)
        if trouble.kind == "stale":
            self.pay.is_behind = True

    def work(self, place: int, *, again: bool = False, trouble: Trouble | None = None) -> None:
        """A worker takes a job. `again`: the queue hands it out once more later."""
        if not self.queue.jobs:
            return
        place %= len(self.queue.jobs)
        _, name, ids = self.queue.jobs[place] if again else self.queue.jobs.pop(place)
        self.run(lambda: getattr(jobs, name)(*ids), about=ids[0] if ids else "", trouble=trouble)

    def sweep(self, trouble: Trouble | None = None) -> None:
        self.run(lambda: sweeping.sweep(self.svc, self._enqueued), trouble=trouble)

    def work_all(self) -> None:
        for _ in range(500):
            if not self.queue.jobs:
                return
            self.work(0)
        raise AssertionError(f"the queue is never empty: {self.queue.jobs[:5]}")

    def reconcile(self, booking: Booking, trouble: Trouble | None = None) -> Any:
        return self.run(lambda: reconciling.reconcile(self.svc, booking), about=booking.id, trouble=trouble)

    def run_until(self, until: datetime, *, most: int = 40) -> bool:
        """The clock rings for what is due, workers work, time passes to the next moment something is due. False where
        `most` rounds were not enough; time passes all the same."""
        for _ in range(most):
            self._ring_and_work()
            upcoming = self._next_due()
            if upcoming is None or upcoming > until or self.now > until:
                self.now = max(self.now, until)
                return True
            self.now = max(self.now + timedelta(seconds=1), upcoming)
        self.now = max(self.now, until)
        self._ring_and_work()
        return False

    def watch(self, network: Network, trouble: Trouble | None = None) -> None:
        """The watcher has a round. One that died is started anew, and knows what is in the database."""
        watch = self._watches.setdefault(network, ChainWatch(self.svc, network))
        self.run(watch.round, trouble=trouble)

    def _ring_and_work(self) -> None:
        if self.addresses.all:
            for network in Network:
                self.watch(network)
        self.sweep()
        self.work_all()

    def _next_due(self) -> datetime | None:
        moments = [one.check_at for one in self.bookings.all.values() if one.check_at]
        moments += [one.work_at for one in self.logs.webhooks.values() if one.work_at]
        moments += self.addresses.work_at.values()
        moments += [at for chain in self.chains.values() if (at := chain.all_final_at()) is not None]
        return min(moments, default=None)

    # --- customers ---

    @property
    def all(self) -> list[Booking]:
        return list(self.bookings.all.values())

    def start(self, choice: int) -> datetime:
        """One of a few times: the next three, and three of which calls can still be cancelled for all of the price."""
        soon = bisect_left(STARTS, self.now + timedelta(hours=2, minutes=1))
        later = bisect_left(STARTS, self.now + timedelta(hours=26))
        return [*STARTS[soon : soon + 3], *STARTS[later : later + 3], STARTS[-1]][choice]

    def book(
        self,
        kind: int,
        choice: int,
        customer: int,
        *,
        key: str = "",
        any_time: bool = False,
        rail: RailId = RailId.BINANCE_PAY,
        trouble: Trouble | None = None,
    ) -> None:
        """`choice` of the few of `start`, or `any_time` of all."""
        start, token = STARTS[choice] if any_time else self.start(choice), self.svc.new_token()
        person = Customer(f"customer{customer}@example.com", "Ann Example", f"203.0.113.{customer}")

        def make(chosen: str) -> tuple[int, Booking]:
            booking = booking_flow.hold_time(
                self.svc, TYPES[kind], start, "Europe/Berlin", person, rail=rail, network="", token=chosen
            )
            booking = payment.open_held_order(self.svc, booking, seconds=payment.IN_REQUEST_SECONDS)
            self.queue.enqueue("refresh", booking.id)
            return 201, booking

        if not key:
            self.run(lambda: make(token), trouble=trouble)
            return
        self.keys.setdefault(key, set()).add(token)
        self._wait_for_key(key)
        body = {"type": kind, "start": start.isoformat(), "customer": customer}
        self.run(lambda: idempotency.once(self.svc, key, body, token, make), trouble=trouble)

    def _wait_for_key(self, key: str) -> None:
        """Whoever asks while the first request is at work waits in real seconds; here its process is dead by then."""
        if any(not use.status for use in self.idempotency.all.values()):
            self.now += idempotency.DEAD_AFTER

    def ask_again(self, booking: Booking, trouble: Trouble | None = None) -> None:
        """Somebody looks: at the page, and by the button that asks the provider."""

        def look() -> None:
            self.bookings.check_soon(booking.id, self.svc.now())
            refreshing.ask(self.svc, self.bookings.get(booking.id), seconds=1.5)
            self.queue.enqueue("refresh", booking.id)

        self.run(look, about=booking.id, trouble=trouble)

    def try_again(self, booking: Booking, trouble: Trouble | None = None) -> None:
        self.run(lambda: payment.try_again(self.svc, booking.token), about=booking.id, trouble=trouble)

    def pay_otherwise(self, booking: Booking, rail: RailId, trouble: Trouble | None = None) -> None:
        self.run(lambda: other_rail.choose(self.svc, booking.token, rail), about=booking.id, trouble=trouble)

    def name_refund_address(self, booking: Booking, number: int, trouble: Trouble | None = None) -> None:
        for network in rules.networks(booking)[:1]:
            address = chain_addresses.shown(network, f"0x{0xD00D0000 + number:040x}")
            self.run(
                lambda network=network, address=address: wallet_refunds.name_address(
                    self.svc, booking.token, network, address
                ),
                about=booking.id,
                trouble=trouble,
            )

    def confirm_refund_address(self, booking: Booking, trouble: Trouble | None = None) -> None:
        """By the newest mail's link."""
        for address in booking.refund_addresses[-1:]:
            if address.confirmed_at is not None:
                continue
            secret = wallet_refunds.secret_of(self.svc, booking, address)
            named = chain_addresses.parsed(
                address.network, wallet_refunds.address_of(self.svc, booking, address.network)
            )
            self.confirmed_addresses.setdefault(booking.id, set()).add(named)
            self.run(
                partial(wallet_refunds.confirm_address, self.svc, booking.token, address.network, secret),
                about=booking.id,
                trouble=trouble,
            )

    def give_up(self, booking: Booking, trouble: Trouble | None = None) -> None:
        self.run(lambda: booking_flow.give_up(self.svc, booking.token), about=booking.id, trouble=trouble)

    def change_time(self, booking: Booking, choice: int, trouble: Trouble | None = None) -> None:
        """While unpaid; instead of the one that is gone, where it was paid; and of a confirmed call."""
        start = self.start(choice)

        change = booking_flow.change_time if booking.choose_by is None else booking_flow.choose_another_time
        if booking.state is State.CONFIRMED:
            change = partial(booking_flow.move, seen=booking.moves)
        self.run(lambda: change(self.svc, booking.token, start, "Europe/Berlin"), about=booking.id, trouble=trouble)

    def money_back(self, booking: Booking, trouble: Trouble | None = None) -> None:
        self.run(lambda: refunding.money_back(self.svc, booking.token), about=booking.id, trouble=trouble)

    def cancel(self, booking: Booking, trouble: Trouble | None = None) -> None:
        told = customer_actions.goes_back(booking, self.svc.now())
        self.run(lambda: refunding.cancel(self.svc, booking.token, told), about=booking.id, trouble=trouble)

    # --- the owner ---

    def refund(self, booking: Booking, how: str, *, cancels: bool, trouble: Trouble | None = None) -> None:
        """`how`: all, half or little. Pressed twice, as people do."""
        left, request = kept_of(booking), f"request {self._count()}"
        part = {"half": part_of(left, "0.5"), "little": Money.parse("0.00000001")}
        wanted = AllOfIt() if how == "all" else PartOfIt(part[how])

        def refund() -> None:
            refunding.refund(
                self.svc,
                booking.id,
                wanted,
                cancels=cancels,
                note="sorry",
                request=request,
                seen=len(booking.refunds),
            )

        self.run(refund, about=booking.id, trouble=trouble)
        self.run(refund, about=booking.id)

    def refund_again(self, booking: Booking, trouble: Trouble | None = None) -> None:
        stuck = next((one for one in booking.refunds if one.is_stuck), None)
        if stuck is not None:
            self.run(lambda: refunding.try_again(self.svc, booking.id, stuck.id), about=booking.id, trouble=trouble)

    def send_refund(self, booking: Booking, how: str, trouble: Trouble | None = None) -> None:
        """The owner sends what waits from a wallet, and enters the transaction; what was sent already is entered again.
        `how`: exact, less, stranger (somebody else sends it), unsaid (it is not entered yet)."""
        waiting = next((one for one in booking.refunds if one.waits_for_wallet), None)
        if waiting is None:
            return
        wanted = self.run(lambda: wallet_refunds.to_send(self.svc, booking, waiting.id, "owner"), about=booking.id)
        if wanted is None:
            return
        chain = self.chains[wanted.network]
        _, tx_hash = self.sent_back.get(waiting.id, (wanted.network, ""))
        if chain.mined(tx_hash) is None or how == "stranger":
            units = units_of(wanted.network, wanted.amount) - (how == "less")
            to = chain_addresses.parsed(wanted.network, wanted.address)
            tx_hash = chain.send(to, units, EXCHANGE if how == "stranger" else WALLET)
            if how in ("exact", "unsaid"):
                self.sent_back[waiting.id] = wanted.network, tx_hash
        if how != "unsaid":
            enter = partial(wallet_refunds.enter_transaction, self.svc, booking.id, waiting.id, tx_hash, "owner")
            self.run(enter, about=booking.id, trouble=trouble)

    def settle_by_hand(self, booking: Booking) -> None:
        """The owner looks into Binance's own list and enters what it says; or sends what is stuck by another way, where
        the money is still there, and says so."""
        stuck = next(
            (one for one in sorted(booking.refunds, key=lambda one: one.amount is not None) if one.is_stuck), None
        )
        if stuck is None or stuck.trade_no not in self.pay.orders:
            return  # of refunds on chain the wallet's own transaction is what counts
        remote, order = self.pay.orders[stuck.trade_no], booking.find_order(stuck.trade_no)
        if stuck.amount is not None and self.left_of(remote) < stuck.amount:
            return
        known = [one.amount for one in booking.refunds_of(order) if one.has_left_provider and one.amount]
        unknown = sum((-one for one in known), self.pay.returned(remote))
        amount = stuck.amount or unknown
        done = self.run(lambda: refunding.settled_by_hand(self.svc, booking.id, stuck.id, amount, "by hand"))
        if done is not None and stuck.amount is not None:
            self.by_hand[stuck.trade_no] += stuck.amount.amount

    def left_of(self, order: Order) -> Money:
        """What of its money has gone back by no way at all."""
        paid = order.paid or Money.parse(0)
        return paid - self.pay.returned(order) - Money(self.by_hand[order.trade_no] or Decimal(0), paid.currency)

    def settle_orphan(self, trouble: Trouble | None = None) -> None:
        waiting = [one.id for one in self.orphans.all.values() if one.open_since is not None]
        if waiting:
            self.settling.add(waiting[0])
            self.run(lambda: payment_webhooks.settle_orphan(self.svc, waiting[0], "given back"), trouble=trouble)

    def settle_begun_orphans(self) -> None:
        """Whoever saw it fail presses again."""
        for orphan_id in [one for one in self.settling if self.orphans.all[one].open_since is not None]:
            self.run(lambda wanted=orphan_id: payment_webhooks.settle_orphan(self.svc, wanted, "given back"))

    # --- the provider and its money ---

    def orders(self) -> list[Order]:
        return list(self.pay.orders.values())

    def pay_order(self, order: Order, how: str) -> None:
        price = order.amount
        amounts = {
            "exact": price,
            "less": part_of(price, "0.9"),
            "cent": price - Money.parse("0.00000001"),
            "more": price + Money.parse("0.00000001"),
            "double": price + price,
            "foreign": Money(price.amount, "USDC"),
        }
        self.pay.paid(order.trade_no, amounts[how])

    def send(self, place: int, how: str) -> None:
        """To the address of an order on chain. `how`: exact, part, fee (the price less a sender's fee), rest (what is
        missing), dust, or other: the price on the other network of its kind."""
        given = list(self.addresses.all.values())[place % len(self.addresses.all)]
        wanted, network, one = int(given.wanted), given.network, 10**given.network.facts.decimals
        chain = self.chains[network]
        if how == "other" and network is not Network.TRC20:
            other = self.chains[Network.ERC20 if network is Network.BEP20 else Network.BEP20]
            units = wanted * 10**other.network.facts.decimals // one
            other.send(given.address, units)
            return
        if how == "fee":
            chain.send(given.address, wanted * 99 // 100)
            return
        rest = max(wanted - chain.units_at(given.address), one)
        cents = units_of(network, Money.parse("0.000001"))
        chain.send(given.address, {"part": wanted // 2, "rest": rest, "dust": cents}.get(how, wanted))

    def refund_in_console(self, order: Order, how: str) -> None:
        if order.paid is None or self.by_hand[order.trade_no]:
            return  # nobody gives back in the console what was given back by other ways already
        left = order.paid - self.pay.returned(order)
        with suppress(UpstreamError):
            self.pay.refunded_by_hand(order.trade_no, None if how == "all" else part_of(left, "0.5"))

    def pay_somebody_else(self) -> None:
        trade_no, money = f"f{self._count():023d}001", Money.parse("12.5")
        self.foreign.append((trade_no, money))
        data = {"merchantTradeNo": trade_no, "totalFee": "12.5", "currency": "USDT", "transactionId": "M_P_F"}
        self.pay.announce("PAY", "PAY_SUCCESS", f"9{self._count()}", data)

    def deliver(self, place: int, *, again: bool = False, trouble: Trouble | None = None) -> None:
        """Binance knocks. It knocks again until it is answered 200; `again`: even then."""
        if not self.pay.outbox:
            return
        place %= len(self.pay.outbox)
        delivery = self.pay.outbox[place]
        answer = self.run(lambda: self._answered(delivery.serial, delivery.raw, delivery.signature), trouble=trouble)
        if answer == 200:
            assert any(one.raw and delivery.what == one.biz_status for one in self.logs.webhooks.values())
        if answer is not None and not again and delivery in self.pay.outbox:
            self.pay.outbox.remove(delivery)

    def lie(self, how: str) -> None:
        """A notice that does not come from Binance, or not as Binance sent it."""
        genuine = self.pay.outbox[0] if self.pay.outbox else None
        orders = self.orders()
        trade_no = orders[0].trade_no if orders else f"x{0:023d}001"
        self.pay.announce("PAY", "PAY_SUCCESS", "1", {"merchantTradeNo": trade_no, "totalFee": "75"})
        lie = self.pay.outbox.pop()
        serial, raw, signature = {
            "forged": (lie.serial, lie.raw, signature_of("somebody", lie.raw)),
            "altered": (lie.serial, lie.raw, genuine.signature if genuine else ""),
            "foreign": ("serial-0", lie.raw, signature_of("serial-0", lie.raw)),
        }[how]
        before = (dict(self.bookings.all), dict(self.logs.webhooks), list(self.queue.jobs))
        answer = self.run(lambda: self._answered(serial, raw, signature))
        assert answer in (401, None)
        assert before == (self.bookings.all, self.logs.webhooks, self.queue.jobs), "a lie changed something"

    def _answered(self, serial: str, raw: bytes, signature: str) -> int | None:
        """As the web does: 200 for what is durable, 401 for what is not Binance's, None (503) to be sent again."""
        headers = WebhookHeaders(serial, "nonce", "1700000000000", signature)
        try:
            payment_webhooks.receive(self.svc, headers, raw)
        except BadSignature as error:
            payment_webhooks.refused(self.svc, headers, raw, str(error))
            return 401
        return 200

    def finish_refund(self, place: int, outcome: Outcome) -> None:
        pending = [one for one in self.pay.refunds() if one.outcome is Outcome.PENDING]
        if pending:
            self.pay.finished(pending[place % len(pending)].id, outcome)

    def heal(self) -> None:
        """Everybody is there again; what was on its way by webhook is lost for good, which must not matter."""
        self.wire.down.clear()
        self.wire.arm(None)
        self.skew = timedelta()
        self.pay.balance, self.pay.outcome = None, Outcome.DONE
        for chain in self.chains.values():
            chain.is_stalled = False
        for refund in self.pay.refunds():
            if refund.outcome is Outcome.PENDING:
                self.pay.finished(refund.id, Outcome.DONE)
        self.pay.outbox.clear()


def part_of(money: Money, share: str) -> Money:
    return Money((money.amount * Decimal(share)).quantize(PLACES), money.currency)


def _newest(world: World, about: str) -> Iterator[Booking]:
    """The booking a job is about."""
    found = world.bookings.all.get(about) or (world.all[-1] if world.all else None)
    return iter([found] if found else [])


def _refreshed(world: World, about: str) -> None:
    for booking in _newest(world, about):
        world.run(partial(refreshing.refresh, world.svc, booking.id), about=booking.id)


def _given_up(world: World, about: str) -> None:
    for booking in _newest(world, about):
        world.give_up(booking)


def _money(world: World, about: str) -> None:
    for booking in _newest(world, about):
        for order in world.orders():
            if order.trade_no.startswith(booking.id):
                world.pay.paid(order.trade_no)
                world.deliver(-1)


def _reorganised(world: World, about: str) -> None:
    for chain in world.chains.values():
        chain.reorganise(drops=True)


def _watched(world: World, about: str) -> None:
    for network in Network:
        world.watch(network)


def _console(world: World, about: str) -> None:
    for booking in _newest(world, about):
        for order in world.orders():
            if order.trade_no.startswith(booking.id):
                world.refund_in_console(order, "half")


def _refunded(world: World, about: str) -> None:
    for booking in _newest(world, about):
        world.refund(booking, "half", cancels=False)


def _moved(world: World, about: str) -> None:
    for booking in _newest(world, about):
        world.change_time(booking, 5)


def _slot_taken(world: World, about: str) -> None:
    world.book(0, 0, 9)


def _late(world: World, about: str) -> None:
    world.now += timedelta(seconds=100)
    world.sweep()
    world.work_all()


def _paid_otherwise(world: World, about: str) -> None:
    for booking in _newest(world, about):
        world.pay_otherwise(booking, RailId.TRC20 if booking.rail is not RailId.TRC20 else RailId.BINANCE_PAY)


def _address_changed(world: World, about: str) -> None:
    for booking in _newest(world, about):
        world.name_refund_address(booking, 7)


OTHERS: dict[str, Callable[[World, str], None]] = {  # beside "same": whoever does it, does it twice at once
    "refreshed": _refreshed,
    "given_up": _given_up,
    "money": _money,
    "console": _console,
    "reorganised": _reorganised,
    "watched": _watched,
    "refunded": _refunded,
    "moved": _moved,
    "slot_taken": _slot_taken,
    "late": _late,
    "paid_otherwise": _paid_otherwise,
    "address_changed": _address_changed,
}
