"""What every payment rail does for a booking: a payment order, and its refunds."""

from datetime import datetime
from typing import Protocol

from inspired.adapters.redis.throttle import Breaker
from inspired.domain.booking.booking import Checkout
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.shared.money import Money


class Rail(Protocol):
    """One provider or network. Each method may take `seconds` and raises UpstreamError, which says whether the call may
    be repeated and whether it may have been applied; an order's and a refund's number make repeating it safe."""

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
        """How the customer can pay this order until `expires_at`."""

    def query(self, trade_no: str, *, asked_at: datetime | None = None, seconds: float = 5.0) -> OrderObservation: ...

    def close(self, trade_no: str, *, seconds: float = 5.0) -> None:
        """Ask that the order can no longer be paid; a query tells the result."""

    def refund(
        self, *, refund_request_id: str, prepay_id: str, amount: Money, reason: str, seconds: float = 10.0
    ) -> RefundSeen:
        """Raises BalanceTooLow if the account does not hold enough."""

    def query_refund(
        self, refund_request_id: str, currency: str, *, trade_no: str = "", seconds: float = 5.0
    ) -> RefundSeen: ...

    def vouches_for(self, trade_no: str, checkout: Checkout) -> bool:
        """True if this checkout is the order's. Asked before it is shown: it was in our database meanwhile."""

    def probe(self, *, seconds: float = 5.0) -> None:
        """Ask something that changes nothing, to see whether calls are answered and accepted."""

    def state(self) -> Breaker:
        """Whether calls go through; up to a second old."""

    def is_set_up(self) -> bool:
        """True if the owner can be paid by it."""

    def has_room(self) -> bool:
        """True if it can take one more order."""
