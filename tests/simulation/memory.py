"""The adapters in memory: the same promises (three `test_contracts.py` hold both to them), no servers, one `Wire`.

Whatever would leave the process goes over the wire, so that any call can be the last one a process makes, can fail
before or after it was applied, or can be overtaken by somebody else.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from inspired.adapters.mail.smtp import ONE_PERSON, Mail
from inspired.adapters.mongo.bookings import Claimed, Taken
from inspired.adapters.mongo.catalogue import Listed, Offered
from inspired.adapters.mongo.claiming import Claiming
from inspired.adapters.mongo.database import MOST_TRIES
from inspired.adapters.mongo.idempotency_keys import KeyUse
from inspired.adapters.mongo.ledger_store import Orphan
from inspired.adapters.mongo.payment_logs import RejectedWebhook, Webhook
from inspired.adapters.mongo.preferences import Chosen
from inspired.adapters.providers.binance import Refused
from inspired.adapters.redis.queue import BOOKINGS, LETTERS, NOTICES
from inspired.adapters.redis.status_cache import CachedStatus
from inspired.adapters.redis.throttle import Breaker, HeldBack
from inspired.domain.booking.booking import Booking, Checkout, Entry
from inspired.domain.booking.claims import Claim, UnknownClaim
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import Remote, State
from inspired.domain.booking.status import numbered
from inspired.domain.catalogue.availability import Availability
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.reporting.payment_limits import Turnover
from inspired.domain.shared.errors import BadSignature, BalanceTooLow, Busy, NotFound, UpstreamError
from inspired.domain.shared.money import PLACES, Money
from inspired.domain.shared.slots import Span

T = TypeVar("T")
DATABASE, PROVIDER, MAIL, QUEUE, NODE = "database", "provider", "mail", "queue", "node"
NONE = Money.parse(0)
MOST_REFUNDS = 10  # of an order: https://developers.binance.com/docs/binance-pay/api-order-refund


# --- the wire -------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone. Not an Exception: nothing in it may handle that."""


@dataclass(frozen=True)
class Trouble:
    """What happens to the `call`-th call from now. `kind`: crash, fail, refuse (a definite no), hold (the throttle lets
    nothing out), stale (from now on the provider's answers to questions are behind) or meanwhile (somebody else is
    faster: `what` names who). `applied`: the other side has done it."""

    kind: str
    call: int
    applied: bool = False
    what: str = ""


class Wire:
    """`down` are services nobody reaches; `passing` is told of every call, `struck` of every trouble."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.trouble: Trouble | None = None
        self.left = 0
        self.passing: Callable[[], None] = lambda: None
        self.struck: Callable[[Trouble], None] = lambda trouble: None

    def arm(self, trouble: Trouble | None) -> None:
        self.trouble, self.left = trouble, trouble.call if trouble else 0

    def call(self, service: str, do: Callable[[], T], *, may_refuse: bool = True) -> T:
        """`may_refuse`: a definite no would be possible here."""
        self.passing()
        if service in self.down:
            raise _failure(service, applied=False)
        if self.trouble is not None:
            self.left -= 1
            if self.left <= 0:
                kind = "fail" if self.trouble.kind == "refuse" and not may_refuse else self.trouble.kind
                return self._strike(replace(self.trouble, kind=kind), service, do)
        return do()

    def _strike(self, trouble: Trouble, service: str, do: Callable[[], T]) -> T:
        self.trouble = None
        self.struck(trouble)
        if trouble.kind in ("meanwhile", "stale"):
            return do()
        if trouble.applied:
            do()
        match trouble.kind:
            case "crash":
                raise Crash
            case "refuse":
                raise _refusal(service)
            case "hold" if service == PROVIDER:
                raise HeldBack(service, "paused")
        raise _failure(service, applied=True)


class QueueAway(Exception):
    pass


def _failure(service: str, *, applied: bool) -> Exception:
    if service == DATABASE:
        return Busy("The database does not answer.")
    if service == QUEUE:
        return QueueAway()
    return UpstreamError(service, "timed out", maybe_applied=applied)


def _refusal(service: str) -> Exception:
    if service == PROVIDER:
        return Refused("400100", "refused")
    if service == MAIL:
        return UpstreamError("mail", "refused", retryable=False)
    return _failure(service, applied=False)


# --- the database ---------------------------------------------------------------------------------------------------


class MemoryBookings(Claiming[Booking]):
    """`writes` keeps every write as (before, after), for whoever checks what happened."""

    def __init__(self, wire: Wire, on_change: Callable[[Booking], None]) -> None:
        self._wire = wire
        self._on_change = on_change
        self._owners: dict[Claim, str] = {}
        self.all: dict[str, Booking] = {}
        self.writes: list[tuple[Booking | None, Booking]] = []

    def add(self, booking: Booking) -> Booking:
        self._wire.call(DATABASE, lambda: self._insert(booking))
        self._on_change(booking)
        return booking

    def get(self, booking_id: str) -> Booking:
        return self._found(self._wire.call(DATABASE, lambda: self.all.get(booking_id)))

    def by_token(self, token: str) -> Booking:
        return self._found(
            self._wire.call(DATABASE, lambda: next((one for one in self.all.values() if one.token == token), None))
        )

    def change(self, booking_id: str, decide: Callable[[Booking], Booking], *, known: Booking | None = None) -> Booking:
        for _ in range(MOST_TRIES):
            before, known = known or self.get(booking_id), None
            after = decide(before)
            if after == before:
                return before
            after = replace(numbered(before, after), version=before.version + 1)
            if self._replaced(before, after):
                if after.status_version != before.status_version or not after.is_open:
                    self._on_change(after)
                return after
        raise Busy("This booking is being changed by too many at once.")

    def change_together(
        self, known: Sequence[Booking], decide: Callable[[Booking], Booking]
    ) -> tuple[list[Booking], list[Booking]]:
        steps = [(before, decide(before)) for before in known]
        changed = [
            (before, replace(numbered(before, after), version=before.version + 1))
            for before, after in steps
            if after != before
        ]
        saved = self._wire.call(DATABASE, lambda: [step for step in changed if self._could_write(*step)])
        for before, after in saved:
            if after.status_version != before.status_version or not after.is_open:
                self._on_change(after)
        done = {after.id for _, after in saved}
        same = [before for before, after in steps if after == before]
        return [*same, *(after for _, after in saved)], [before for before, _ in changed if before.id not in done]

    def _could_write(self, before: Booking, after: Booking) -> bool:
        try:
            return self._write(before, after)
        except Claimed:
            return False

    def _replaced(self, before: Booking, after: Booking) -> bool:
        return self._wire.call(DATABASE, lambda: self._write(before, after))

    def drop_draft(self, booking: Booking) -> None:
        def drop() -> None:
            current = self.all.get(booking.id)
            if current is not None and current.version == booking.version and current.state is State.DRAFT:
                self._own(current, ())
                del self.all[booking.id]

        self._wire.call(DATABASE, drop)

    def check_soon(self, booking_id: str, at: datetime) -> None:
        def bring_forward() -> None:
            current = self.all.get(booking_id)
            if current is not None and current.check_at is not None and current.check_at > at:
                self.all[booking_id] = replace(current, check_at=at)

        self._wire.call(DATABASE, bring_forward)

    def among(self, booking_ids: Sequence[str]) -> Iterator[Booking]:
        yield from self._wire.call(DATABASE, lambda: [self.all[one] for one in booking_ids if one in self.all])

    def due_since(self, now: datetime, most: int) -> list[tuple[str, datetime]]:
        return [(one, self.all[one].check_at) for one in self.due(now, most)]

    def due(self, now: datetime, most: int) -> list[str]:
        def find() -> list[str]:
            due = [(one.check_at, one.id) for one in self.all.values() if one.check_at and one.check_at <= now]
            return [booking_id for _, booking_id in sorted(due)][:most]

        return self._wire.call(DATABASE, find)

    def lease(self, booking_ids: list[str], now: datetime, until: datetime) -> None:
        for booking_id in booking_ids:
            self._wire.call(DATABASE, lambda wanted=booking_id: self._leased(wanted, now, until))

    def _leased(self, booking_id: str, now: datetime, until: datetime) -> None:
        current = self.all.get(booking_id)
        if current is not None and current.check_at is not None and current.check_at <= now:
            self.all[booking_id] = replace(current, check_at=until)

    def taken(self, window: Span) -> Taken:
        def find() -> Taken:
            return Taken.of((hold for one in self.all.values() if (hold := one.hold) is not None), window)

        return self._wire.call(DATABASE, find)

    def made(self, after: datetime, before: datetime, most: int) -> list[Booking]:
        found = self._wire.call(DATABASE, lambda: [b for b in self.all.values() if after <= b.created_at < before])
        return sorted(found, key=lambda one: one.created_at)[:most]

    def turnover(self, email_index: str) -> list[Turnover]:
        def find() -> list[Turnover]:
            mine = [one for one in self.all.values() if one.email_index == email_index]
            return [
                Turnover(one.id, one.created_at, one.ledger, one.price if one.state is State.PENDING else None)
                for one in mine
            ]

        return self._wire.call(DATABASE, find)

    def owned_of(self, claims: Sequence[Claim]) -> set[Claim]:
        return self._wire.call(DATABASE, lambda: {claim for claim in claims if claim in self._owners})

    def _insert(self, booking: Booking) -> None:
        if booking.id in self.all or any(one.token == booking.token for one in self.all.values()):
            raise Claimed(UnknownClaim(booking.token))
        self._own(booking, booking.claims)
        self.all[booking.id] = booking
        self.writes.append((None, booking))

    def _write(self, before: Booking, after: Booking) -> bool:
        current = self.all.get(before.id)
        if current is None or current.version != before.version:
            return False
        self._own(after, after.claims)
        self.all[before.id] = after
        self.writes.append((current, after))
        return True

    def _own(self, booking: Booking, claims: Iterable[Claim]) -> None:
        """All of them or none."""
        for claim in claims:
            if self._owners.get(claim, booking.id) != booking.id:
                raise Claimed(claim)
        for claim in [claim for claim, owner in self._owners.items() if owner == booking.id]:
            del self._owners[claim]
        self._owners.update(dict.fromkeys(claims, booking.id))

    def _found(self, booking: Booking | None) -> Booking:
        if booking is None:
            raise NotFound("There is no such booking.")
        return booking


class MemoryLogs:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.webhooks: dict[str, Webhook] = {}
        self.verdicts: dict[str, str] = {}
        self.refusals: list[RejectedWebhook] = []

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def add_webhook(self, webhook: Webhook) -> bool:
        def add() -> bool:
            is_new = webhook.id not in self.webhooks
            self.webhooks.setdefault(webhook.id, webhook)
            return is_new

        return self._wire.call(DATABASE, add)

    def add_rejected(self, refusal: RejectedWebhook, *, most: int, within: timedelta) -> bool:
        def add() -> bool:
            if sum(one.at >= refusal.at - within for one in self.refusals) >= most:
                return False
            self.refusals.append(refusal)
            return True

        return self._wire.call(DATABASE, add)

    def get(self, webhook_id: str) -> Webhook:
        found = self._wire.call(DATABASE, lambda: self.webhooks.get(webhook_id))
        if found is None:
            raise NotFound("There is no such notice.")
        return found

    def due(self, now: datetime, most: int) -> list[str]:
        def find() -> list[str]:
            due = [(one.work_at, one.id) for one in self.webhooks.values() if one.work_at and one.work_at <= now]
            return [webhook_id for _, webhook_id in sorted(due)][:most]

        return self._wire.call(DATABASE, find)

    def lease(self, webhook_id: str, until: datetime) -> None:
        def put_off() -> None:
            webhook = self.webhooks.get(webhook_id)
            if webhook is not None and webhook.work_at is not None and webhook.work_at < until:
                self.webhooks[webhook_id] = replace(webhook, work_at=until)

        self._wire.call(DATABASE, put_off)

    def finished(self, webhook: Webhook, verdict: str, now: datetime) -> None:
        self._wire.call(DATABASE, lambda: self.verdicts.setdefault(webhook.id, verdict))

        def tick_off() -> None:
            if webhook.id in self.webhooks:
                self.webhooks[webhook.id] = replace(self.webhooks[webhook.id], work_at=None)

        self._wire.call(DATABASE, tick_off)

    def verdict_on(self, webhook_id: str) -> str:
        return self._wire.call(DATABASE, lambda: self.verdicts.get(webhook_id, ""))


class MemoryLedger:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._entries: dict[tuple[str, int], Entry] = {}

    def post(self, owner: str, entries: Iterable[Entry]) -> int:
        return sum(self._wire.call(DATABASE, lambda entry=entry: self._posted(owner, entry)) for entry in entries)

    def _posted(self, owner: str, entry: Entry) -> bool:
        is_new = (owner, entry.number) not in self._entries
        self._entries.setdefault((owner, entry.number), entry)
        return is_new

    def of(self, owner: str) -> tuple[Entry, ...]:
        found = self._wire.call(DATABASE, lambda: [e for (whose, _), e in self._entries.items() if whose == owner])
        return tuple(sorted(found, key=lambda entry: entry.number))

    def all(self, after: datetime, before: datetime) -> Iterator[tuple[str, Entry]]:
        found = self._wire.call(DATABASE, lambda: list(self._entries.items()))
        return iter([(whose, entry) for (whose, _), entry in found if after <= entry.at < before])


class MemoryOrphans:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.all: dict[str, Orphan] = {}
        self.telling_until: dict[str, datetime] = {}

    def add(self, orphan: Orphan) -> bool:
        def add() -> bool:
            is_new = orphan.id not in self.all
            self.all.setdefault(orphan.id, orphan)
            return is_new

        return self._wire.call(DATABASE, add)

    def get(self, orphan_id: str) -> Orphan:
        found = self._wire.call(DATABASE, lambda: self.all.get(orphan_id))
        if found is None:
            raise NotFound("There is no such payment.")
        return found

    def waiting(self, most: int = 100) -> list[Orphan]:
        found = self._wire.call(DATABASE, lambda: [one for one in self.all.values() if one.open_since])
        return sorted(found, key=lambda one: one.at)[:most]

    def tell(self, orphan_id: str, now: datetime, until: datetime) -> bool:
        def tell() -> bool:
            is_free = orphan_id in self.all and self.telling_until.get(orphan_id, now) <= now
            if is_free:
                self.telling_until[orphan_id] = until
            return is_free

        return self._wire.call(DATABASE, tell)

    def settle(self, orphan_id: str, note: str, now: datetime) -> bool:
        def settle() -> bool:
            orphan = self.all.get(orphan_id)
            if orphan is None or orphan.settled_at is not None:
                return False
            self.all[orphan_id] = replace(orphan, settled_at=now, note=note, open_since=None)
            return True

        return self._wire.call(DATABASE, settle)


class MemoryKeys:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.all: dict[str, KeyUse] = {}

    def take(self, key: str, use: KeyUse) -> KeyUse | None:
        def take() -> KeyUse | None:
            before = self.all.get(key)
            self.all.setdefault(key, replace(use, status=0))
            return before

        return self._wire.call(DATABASE, take)

    def find(self, key: str) -> KeyUse | None:
        return self._wire.call(DATABASE, lambda: self.all.get(key))

    def taken_over(self, key: str, use: KeyUse, now: datetime) -> bool:
        def take_over() -> bool:
            before = self.all.get(key)
            if before is None or before.at != use.at or before.status:
                return False
            self.all[key] = replace(before, at=now)
            return True

        return self._wire.call(DATABASE, take_over)

    def answered(self, key: str, status: int) -> None:
        def answer() -> None:
            if key in self.all:
                self.all[key] = replace(self.all[key], status=status)

        self._wire.call(DATABASE, answer)

    def given_back(self, key: str) -> None:
        def give_back() -> None:
            if key in self.all and not self.all[key].status:
                del self.all[key]

        self._wire.call(DATABASE, give_back)


class NoSubscribers:
    """Nobody reads the newsletter here."""

    def due(self, now: datetime, most: int) -> list[str]:
        return []


class NoPeople:
    """The owner alone: whoever acts is not looked up."""

    def all(self) -> list[Any]:
        return []


class BusyWorkers:
    """There is always one at work."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.last_turn = now


class OpenGate:
    """Money is not real here, so nothing has to be rehearsed first."""

    def is_open(self) -> bool:
        return True


class NoTickets:
    """Nor does anybody write to the owner."""

    def mail_due(self, now: datetime, most: int) -> list[str]:
        return []


# --- the queue and the hints ----------------------------------------------------------------------------------------


class MemoryQueue:
    """Jobs lie in `jobs` as (queue, name, ids) until somebody takes one."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.jobs: list[tuple[str, str, tuple[str, ...]]] = []
        self._run: set[tuple[str, ...]] = set()

    def is_first_run(self, job: str, *ids: str) -> bool:
        def ask() -> bool:
            is_first = (job, *ids) not in self._run
            self._run.add((job, *ids))
            return is_first

        try:
            return self._wire.call(QUEUE, ask)
        except QueueAway:
            return False

    def enqueue(self, job: str, *ids: str) -> bool:
        return self._enqueued(BOOKINGS, job, ids)

    def enqueue_webhook(self, job: str, *ids: str) -> bool:
        return self._enqueued(NOTICES, job, ids)

    def enqueue_mail(self, job: str, *ids: str) -> bool:
        return self._enqueued(LETTERS, job, ids)

    def waiting(self) -> int:
        return self._count(BOOKINGS)

    def webhooks_waiting(self) -> int:
        return self._count(NOTICES)

    def mails_waiting(self) -> int:
        return self._count(LETTERS)

    def _count(self, queue: str) -> int:
        try:
            return self._wire.call(QUEUE, lambda: sum(one[0] == queue for one in self.jobs))
        except QueueAway:
            return 0

    def _enqueued(self, queue: str, job: str, ids: tuple[str, ...]) -> bool:
        try:
            self._wire.call(QUEUE, lambda: self.jobs.append((queue, job, ids)))
        except QueueAway:
            return False
        return True


class MemoryStatusCache:
    """What polls would be told; `editions` only grow, as a poll must never be shown an older state."""

    def __init__(self) -> None:
        self.hints: dict[str, CachedStatus] = {}

    def publish(self, token: str, hint: CachedStatus) -> None:
        old = self.hints.get(token)
        if old is None or old.status_version <= hint.status_version:
            self.hints[token] = hint


# --- the provider ---------------------------------------------------------------------------------------------------


@dataclass
class PaidBack:
    """A refund at the provider. `console`: made by hand there, and unknown to the API by its id."""

    id: str
    trade_no: str
    amount: Money
    in_all: Money
    remaining: int
    outcome: Outcome
    console: bool = False


@dataclass
class Order:
    trade_no: str
    prepay_id: str
    amount: Money
    expires_at: datetime
    status: Remote = Remote.INITIAL
    paid: Money | None = None
    paid_at: datetime | None = None
    refunds: list[PaidBack] = field(default_factory=list)
    was: Remote = Remote.INITIAL  # the status before this one

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "status" and "status" in self.__dict__ and self.status is not value:
            self.was = self.status
        super().__setattr__(name, value)

    @property
    def is_open(self) -> bool:
        return self.status in (Remote.INITIAL, Remote.PENDING)


@dataclass(frozen=True)
class Delivery:
    """A notice on its way. `signature` is over serial and bytes, as the real one is over timestamp, nonce and bytes."""

    serial: str
    raw: bytes
    signature: str
    what: str


def signature_of(serial: str, raw: bytes) -> str:
    return hashlib.sha256(serial.encode() + b"\n" + raw).hexdigest()


class MemoryPay:
    """Binance Pay by its contract: one order a number, refunds known by their id, at most ten of an order.

    The upper half is what the product calls; the lower half is what the world does to it.
    """

    def __init__(self, wire: Wire, now: Callable[[], datetime]) -> None:
        self._wire = wire
        self._now = now
        self._known_serials: set[str] = set()
        self.serials = ["serial-1"]
        self.orders: dict[str, Order] = {}
        self.outbox: list[Delivery] = []
        self.outcome = Outcome.DONE  # what becomes of refunds that are asked for
        self.balance: Money | None = None  # None: as much as it takes
        self.commission = Decimal(0)
        self.calls: Counter[str] = Counter()
        self.is_behind = False  # answers to questions are of a moment ago
        self.told_paid: set[str] = set()  # orders of which a query was answered that they are paid

    # --- what the product calls ---

    def create(
        self,
        *,
        trade_no: str,
        price: Money,
        title: str,
        reference: str,
        expires_at: datetime,
        page_url: str,
        seconds: float,
    ) -> Checkout:
        return self._wire.call(PROVIDER, lambda: self._created(trade_no, price, expires_at))

    def query(self, trade_no: str, *, asked_at: datetime | None = None, seconds: float = 5.0) -> OrderObservation:
        at = asked_at or self._now()
        return self._wire.call(PROVIDER, lambda: self._seen(trade_no, at))

    def close(self, trade_no: str, *, seconds: float = 5.0) -> None:
        def close() -> None:
            order = self._order(trade_no)
            if order is not None and order.status is Remote.INITIAL:
                self._end(order, Remote.CANCELED)

        self._wire.call(PROVIDER, close)

    def refund(
        self, *, refund_request_id: str, prepay_id: str, amount: Money, reason: str, seconds: float = 10.0
    ) -> RefundSeen:
        at = self._now()

        def refund() -> RefundSeen:
            known = self._refund(refund_request_id)
            if known is None:
                order = next((one for one in self.orders.values() if one.prepay_id == prepay_id), None)
                known = self._refunded(order, refund_request_id, amount)
                self._ended(known, self.outcome)
            return self._told(known, at)

        return self._wire.call(PROVIDER, refund, may_refuse=self._refund(refund_request_id) is None)

    def query_refund(
        self, refund_request_id: str, currency: str, *, trade_no: str = "", seconds: float = 5.0
    ) -> RefundSeen:
        at = self._now()

        def ask() -> RefundSeen:
            known = self._refund(refund_request_id)
            if known is None:
                return RefundSeen(refund_request_id, at, None, trade_no)
            return replace(self._told(known, at), trade_no=trade_no)

        return self._wire.call(PROVIDER, ask)

    def verify_webhook(
        self, headers: Any, raw: bytes, *, seconds: float = 2.0, order: Callable[[], str] = lambda: ""
    ) -> None:
        if not (headers.serial and headers.nonce and headers.timestamp and headers.signature):
            raise BadSignature("a header is missing")
        if headers.serial not in self._known_serials:
            self._known_serials = self._wire.call(PROVIDER, lambda: set(self.serials))
        if headers.serial not in self._known_serials:
            raise BadSignature("unknown certificate serial")
        if headers.signature != signature_of(headers.serial, raw):
            raise BadSignature("the signature is wrong")

    def vouches_for(self, trade_no: str, checkout: Checkout) -> bool:
        return True

    def is_set_up(self) -> bool:
        return True

    def has_room(self) -> bool:
        return True

    def state(self) -> Breaker:
        return Breaker(False, None, 0)

    def _created(self, trade_no: str, price: Money, expires_at: datetime) -> Checkout:
        if trade_no in self.orders:
            raise UpstreamError("binance", "400201 merchantTradeNo is invalid or duplicated", code="400201")
        order = Order(trade_no, f"{363969700195475457 + 2 * len(self.orders)}", price, expires_at)
        self.orders[trade_no] = order
        self.calls["create"] += 1
        return Checkout(order.prepay_id, f"qr/{trade_no}", f"pay/{trade_no}", "", "")

    def _seen(self, trade_no: str, at: datetime) -> OrderObservation:
        order = self._order(trade_no)
        if order is None:
            return OrderObservation(trade_no, at, None)
        status = order.was if self.is_behind else order.status
        money = order.paid if status.has_money else None
        if money:
            self.told_paid.add(trade_no)
        return OrderObservation(
            trade_no=trade_no,
            asked_at=at,
            status=status,
            money=money,
            commission=self.commission_of(order) if money and self.commission else None,
            prepay_id=order.prepay_id,
            transaction_id=f"M_P_{order.prepay_id}" if money else "",
            paid_at=order.paid_at if money else None,
        )

    def _refunded(self, order: Order | None, refund_id: str, amount: Money | None) -> PaidBack:
        if order is None or order.paid is None:
            raise Refused("400301", "Invalid prepayId")
        remaining = MOST_REFUNDS - len(order.refunds)
        if remaining <= 0:
            raise Refused("400302", "Too many refund attempts.")
        earlier = sum((one.amount for one in order.refunds if one.outcome is not Outcome.FAILED), _nothing(order.paid))
        left = order.paid - earlier
        amount = left if amount is None or remaining == 1 else amount
        if amount > left or left.is_nothing:
            raise Refused("400303", "Invalid refund amount.")
        self._taken_from_balance(amount)
        made = PaidBack(refund_id, order.trade_no, amount, earlier + amount, remaining - 1, Outcome.PENDING)
        order.refunds.append(made)
        return made

    def _taken_from_balance(self, amount: Money) -> None:
        """A negative amount is given back."""
        if self.balance is None or self.balance.currency != amount.currency:
            return
        if amount > self.balance:
            raise BalanceTooLow("binance", "400304 not enough is left", retryable=False, maybe_applied=False)
        self.balance -= amount

    def _told(self, known: PaidBack, at: datetime) -> RefundSeen:
        return RefundSeen(
            refund_id=known.id,
            asked_at=at,
            outcome=known.outcome,
            amount=known.amount,
            refunded_in_all=known.in_all,
            remaining=known.remaining,
        )

    def _order(self, trade_no: str) -> Order | None:
        """Expired first where its time has come."""
        order = self.orders.get(trade_no)
        if order is not None and order.is_open and self._now() >= order.expires_at:
            self._end(order, Remote.EXPIRED)
        return order

    def _refund(self, refund_id: str) -> PaidBack | None:
        return next((one for one in self.refunds() if one.id == refund_id and not one.console), None)

    def _end(self, order: Order, status: Remote) -> None:
        order.status = status
        self._announce(order, "PAY", "PAY_CLOSED", {})

    def _ended(self, refund: PaidBack, outcome: Outcome) -> None:
        refund.outcome = outcome
        order = self.orders[refund.trade_no]
        if outcome is Outcome.FAILED:
            self._taken_from_balance(-refund.amount)
            for one in order.refunds[order.refunds.index(refund) :]:
                one.in_all -= refund.amount
        order.status = _status_of(order)
        if outcome is not Outcome.PENDING and not refund.console:
            what = "REFUND_SUCCESS" if outcome is Outcome.DONE else "REFUND_REJECTED"
            self._announce(order, "PAY_REFUND", what, {"refundInfo": {"refundRequestId": refund.id}})

    def _announce(self, order: Order, biz_type: str, what: str, more: dict[str, Any]) -> None:
        money = order.paid or order.amount
        data = {"merchantTradeNo": order.trade_no, "totalFee": str(money), "currency": money.currency, **more}
        self.announce(biz_type, what, order.prepay_id, data)

    # --- what the world does ---

    def paid(self, trade_no: str, amount: Money | None = None) -> None:
        """Money arrives, also where the order was closed meanwhile: what is late is late, and not lost."""
        order = self.orders[trade_no]
        if order.paid is not None:
            return
        order.paid, order.paid_at, order.status = amount or order.amount, self._now(), Remote.PAID
        more = {"transactionId": f"M_P_{order.prepay_id}", "transactTime": int(self._now().timestamp() * 1000)}
        if self.commission:
            more["commission"] = str(self.commission_of(order))
        self._announce(order, "PAY", "PAY_SUCCESS", more)

    def started_paying(self, trade_no: str) -> None:
        """The payer is at it: such an order can no longer be closed."""
        order = self._order(trade_no)
        if order is not None and order.status is Remote.INITIAL:
            order.status = Remote.PENDING

    def refunded_by_hand(self, trade_no: str, amount: Money | None) -> None:
        """In the provider's own console: done at once, and nobody is told."""
        made = self._refunded(self.orders[trade_no], f"console-{len(self.refunds())}", amount)
        made.console = True
        self._ended(made, Outcome.DONE)

    def finished(self, refund_id: str, outcome: Outcome) -> None:
        """A pending refund comes to its end."""
        refund = self._refund(refund_id)
        if refund is not None and refund.outcome is Outcome.PENDING:
            self._ended(refund, outcome)

    def announce(self, biz_type: str, what: str, biz_id: str, data: dict[str, Any]) -> None:
        """A genuinely signed notice, of whatever it is."""
        body = {"bizType": biz_type, "data": json.dumps(data), "bizIdStr": biz_id, "bizStatus": what}
        raw, serial = json.dumps(body).encode(), self.serials[-1]
        self.outbox.append(Delivery(serial, raw, signature_of(serial, raw), what))

    def rotated(self, *, keep_old: bool) -> None:
        fresh = f"serial-{int(self.serials[-1].removeprefix('serial-')) + 1}"
        self.serials = [*self.serials, fresh] if keep_old else [fresh]

    def forgotten(self) -> None:
        """The process that knew them is gone."""
        self._known_serials = set()

    def refunds(self) -> list[PaidBack]:
        return [refund for order in self.orders.values() for refund in order.refunds]

    def commission_of(self, order: Order) -> Money:
        paid = order.paid or NONE
        return Money((paid.amount * self.commission).quantize(PLACES, ROUND_HALF_UP), paid.currency)

    def outcome_of(self, refund_id: str) -> Outcome | None:
        found = self._refund(refund_id)
        return found.outcome if found else None

    def returned(self, order: Order) -> Money:
        """What has really gone back."""
        start = _nothing(order.paid or order.amount)
        return sum((one.amount for one in order.refunds if one.outcome is Outcome.DONE), start)

    def is_payable(self, order: Order) -> bool:
        return order.is_open and self._now() < order.expires_at


def _status_of(order: Order) -> Remote:
    if any(one.outcome is Outcome.PENDING for one in order.refunds):
        return Remote.REFUNDING
    paid = order.paid or order.amount
    done = sum((one.amount for one in order.refunds if one.outcome is Outcome.DONE), _nothing(paid))
    if not done < paid:
        return Remote.FULL_REFUNDED
    return Remote.PAID if done.is_nothing else Remote.REFUNDED


def _nothing(money: Money) -> Money:
    return Money.parse(0, money.currency)


# --- mail -----------------------------------------------------------------------------------------------------------


class MemorySmtp:
    """`sent` is what arrived, in order, with the job that sent it."""

    def __init__(self, wire: Wire, job: Callable[[], int]) -> None:
        self._wire = wire
        self._job = job
        self.sent: list[tuple[Mail, int]] = []

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        yield

    def send(self, mail: Mail) -> None:
        if not ONE_PERSON.fullmatch(mail.to):
            raise UpstreamError("mail", "not one person's address", retryable=False)
        self._wire.call(MAIL, lambda: self.sent.append((mail, self._job())))


class FixedOffer:
    """What the owner offers, unchanged: nothing of it is asked for over the wire."""

    def __init__(self, types: Iterable[MeetingType], calendar: Availability) -> None:
        self._offered = Offered(tuple(Listed(one) for one in types), 1, calendar, 1)

    def now(self) -> Offered:
        return self._offered

    def calendar(self) -> Availability:
        return self._offered.calendar

    def terms_changes(self) -> int:
        return self._offered.terms_changes


class AsMade:
    """What the owner has chosen: nothing yet."""

    def now(self) -> Chosen:
        return Chosen()


class NoOwnCalendar:
    def busy(self, window: Span) -> list[Span]:
        return []
