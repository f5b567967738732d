"""The JSON API's models, published in /api/openapi.json. Amounts are decimal strings, times ISO 8601 in UTC."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from inspired.domain.booking.rails import Method, RailId
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.languages import Text
from inspired.domain.shared.networks import Network
from inspired.web.shared.fields import MOST_ORDERS, Amount, Email, Moment, Name, Reason, Token, Uri

Model = TypeVar("Model", bound=BaseModel)
LONGEST_KEY = 255
Status = Literal["PENDING", "PAID", "CONFIRMED", "EXPIRED", "CANCELLED", "REFUNDED"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class CalendlyUris(_Request):
    eventUri: Uri
    inviteeUri: Uri


class CreateRequest(_Request):
    """Either `slotStart` (built-in calendar), or `bookingId` with `calendly`. `method`: one of those offered; without
    the first of them. `network`: on chain the one to pay on, TRC20 if it is left out; with Binance Pay, which is an
    internal transfer, it is stored and has no effect. `timeZone` (IANA) is how times are written to the customer.
    `answers`: to the questions of the meeting type, in their order (built-in calendar)."""

    meetingTypeId: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    customerEmail: Email
    customerName: Name | None = None
    method: Method | None = None
    network: Network | None = None
    slotStart: Moment | None = None
    timeZone: Annotated[str, StringConstraints(max_length=64)] | None = None
    bookingId: Token | None = None
    calendly: CalendlyUris | None = None
    answers: Annotated[list[Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=6)] | None = None


class VerifyRequest(_Request):
    bookingId: Token


class NewsletterRequest(_Request):
    email: Email


class NewsletterChange(_Request):
    action: Literal["confirm", "unsubscribe"] = "confirm"


class QuestionShape(BaseModel):
    text: str
    required: bool


class MeetingTypeShape(BaseModel):
    id: str
    title: str
    minutes: int
    price: str
    currency: str
    questions: list[QuestionShape]


class MeetingTypesAnswer(BaseModel):
    meetingTypes: list[MeetingTypeShape]


class SlotShape(BaseModel):
    start: str
    end: str


class SlotsAnswer(BaseModel):
    slots: list[SlotShape]


class SlotsQuery(BaseModel):
    """`from` and `to`: RFC 3339, or a date in `tz`; at most 31 days apart."""

    model_config = ConfigDict(populate_by_name=True)

    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    tz: str | None = None


class CreateHeaders(BaseModel):
    """With a key the request may be repeated: the same booking is answered. It is known for 30 days."""

    idempotency_key: Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)] | None = Field(
        default=None, alias="Idempotency-Key"
    )


class RefundHeaders(BaseModel):
    """The same request under the same key is done once."""

    idempotency_key: str = Field(alias="Idempotency-Key", min_length=1, max_length=LONGEST_KEY)


class StatusHeaders(BaseModel):
    """With the ETag of the last answer only what is new is told."""

    if_none_match: str | None = Field(default=None, alias="If-None-Match")


class NewsletterQuery(BaseModel):
    """`token`: from the mail."""

    token: str


class MinutesShape(BaseModel):
    from_: int = Field(alias="from")
    to: int


class PaymentMethodShape(BaseModel):
    """`available` false: it is set up and does not work at the moment."""

    method: Method
    network: Network | None
    available: bool
    minutes: MinutesShape


class PaymentMethodsAnswer(BaseModel):
    methods: list[PaymentMethodShape]


class CreateAnswer(BaseModel):
    """201, or 202 where it cannot be paid yet: then its fields are null and jobs go on. `paymentAddress` and `network`:
    where USDT is sent on chain, and only there; null with Binance Pay, as `binanceOrderId` is on chain. `paymentUri`:
    the same for wallets that read EIP-681."""

    success: bool
    bookingId: str
    merchantTradeNo: str
    method: Method
    network: Network | None
    binanceOrderId: str | None
    paymentAddress: str | None
    paymentUri: str | None
    qrCodeUrl: str | None
    deepLinkUrl: str | None
    checkoutUrl: str | None
    amount: str
    currency: str
    status: Status
    expiresAt: datetime
    serverTime: datetime


class PaymentDetails(BaseModel):
    transactionId: str | None
    paidAt: datetime | None
    amount: str | None
    currency: str | None


class RefundTold(BaseModel):
    """Money going back: `under_way`, `done`, or `waiting` for the owner."""

    amount: str
    currency: str
    status: Literal["under_way", "done", "waiting"]
    reason: str


class StatusAnswer(BaseModel):
    """`network`: where it is paid on chain; null with Binance Pay. `final`: nobody can take the money back any more.
    `confirmations`: blocks on top of the one with the payment when the network was last asked, an estimate that decides
    nothing; null where it is not known, as with Binance Pay. `chooseBy`: paid, but without a time. Until then another
    time or the money is chosen on the booking's page."""

    success: bool
    status: Status
    flags: list[str]
    message: str
    expiresAt: datetime | None
    network: Network | None
    final: bool
    confirmations: int | None
    serverTime: datetime
    version: int
    chooseBy: datetime | None = None
    refunds: list[RefundTold] | None = None
    paymentDetails: PaymentDetails | None = None


class VerifyAnswer(BaseModel):
    success: bool
    verified: bool
    details: dict[str, Any]


class NewsletterAnswer(BaseModel):
    success: bool
    status: str | None = None


class WebhookAnswer(BaseModel):
    """What Binance Pay reads: SUCCESS, or FAIL to be sent the notice again."""

    returnCode: Literal["SUCCESS", "FAIL"]
    returnMessage: str | None


class PaymentShape(BaseModel):
    """One booking with its newest order, for the owner. Nothing personal. `bookingId` is the one of the admin area, and
    of the refund's address; it is not the `bookingId` that the customer's browser has, which opens their page.
    `method`: by which the newest money came, or would; `network` and `paymentAddress` are of money on chain only."""

    bookingId: str
    merchantTradeNo: str | None
    meetingTypeId: str
    status: Status
    flags: list[str]
    amount: str
    currency: str
    callAt: datetime | None
    createdAt: datetime | None
    paidAt: datetime | None
    confirmedAt: datetime | None
    expiresAt: datetime | None
    transactionId: str | None
    method: Method
    network: Network | None
    paymentAddress: str | None


class RefundRequest(_Request):
    """Without `amount` everything that is left goes back. `cancelCall`: by default the call is off when all of its
    money goes back. `order`: only the money of that order goes back, which cannot be counted since it came in another
    currency; without `amount`, and the call stays. `preview`: tell what would happen, and do nothing."""

    amount: Amount | None = None
    order: Annotated[int, Field(ge=1, le=MOST_ORDERS)] | None = None
    reason: Reason
    cancelCall: bool | None = None
    preview: bool = False


class RefundShape(BaseModel):
    id: str
    amount: str
    currency: str
    status: Literal["under_way", "done", "waiting"]
    reason: str


class RefundPreview(BaseModel):
    """What would happen, `amount` in `currency`. `byPolicy`: what the customer would get back for cancelling now.
    `blocked`: Binance would do something else than asked, so it would be refused; `warnings` says why."""

    amount: str
    currency: str
    remains: str
    cancelsCall: bool
    byPolicy: str
    blocked: bool


class RefundAnswer(BaseModel):
    """`refunds` are those of this very request (one for each payment it takes from); a preview has none. `left` is
    what can still be refunded."""

    success: bool
    refunds: list[RefundShape]
    status: Status
    left: str
    currency: str
    warnings: list[str]
    preview: RefundPreview | None = None


class PaymentsQuery(BaseModel):
    """Every filter goes with every other. `from` and `to` bound the moment that is sorted by: days of the owner's time
    zone, the last one included, or moments of RFC 3339, of which the last is not. `flag` is one of a payment's `flags`,
    or `attention`: needs a person. `rail`: Binance Pay, or the network. `amount`: the price, or what came. `cursor` is
    the `nextCursor` of the page before; `before`, with which older programs ask, is a moment."""

    model_config = ConfigDict(populate_by_name=True)

    state: Status | None = None
    flag: str | None = None
    type: str | None = None
    rail: RailId | None = None
    amount: Amount | None = None
    sort: Literal["made-newest", "made-oldest", "call-next", "call-last", "paid-newest", "paid-oldest"] = "made-newest"
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: str | None = None


class PaymentsAnswer(BaseModel):
    """In the order asked for. `nextCursor` is the `cursor` of the next page, null on the last one; `nextBefore`, for
    older programs, is a `before`."""

    payments: list[PaymentShape]
    nextCursor: str | None
    nextBefore: datetime | None


class NumbersQuery(BaseModel):
    """`from` and `to`: days of the owner's time zone, both included, at most 366 of them. Without them the last `days`:
    7, 30 or 90."""

    model_config = ConfigDict(populate_by_name=True)

    from_: date | None = Field(default=None, alias="from")
    to: date | None = None
    days: Literal[7, 30, 90] = 30


class NetworkUsage(BaseModel):
    TRC20: int
    BEP20: int
    ERC20: int


class NumbersAnswer(BaseModel):
    """Of the bookings made in these days, those `paid`, and by which way their newest money came: `binancePay`, and on
    chain by network. `countedAt`: null while none of these days was counted."""

    from_: date = Field(alias="from")
    to: date
    countedAt: datetime | None
    paid: int
    binancePay: int
    networkUsage: NetworkUsage


class HealthPart(BaseModel):
    """`at` is the moment this is about; `runbook` the page that says what to do."""

    id: str
    title: str
    state: Literal["working", "slow", "not working", "not known"]
    detail: str
    at: datetime | None
    ageSeconds: int | None
    runbook: str | None


class HealthAnswer(BaseModel):
    """`ok` is false while a part is not working."""

    ok: bool
    at: datetime
    parts: list[HealthPart]
    versions: dict[str, str]


class Problem(BaseModel):
    """RFC 9457, as application/problem+json. `errors` maps a field to its sentence; `reference` finds a failure of ours
    in the logs."""

    type: str
    title: str
    status: int
    detail: str
    errors: dict[str, str] | None = None
    reference: str | None = None


def parsed(model: type[Model], body: Any) -> Model:
    """Validate the body. Raises Invalid with a sentence per field, never echoing what was sent."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        fields = {
            ".".join(str(part) for part in problem["loc"]) or "body": _sentence(problem["type"], problem["msg"])
            for problem in error.errors(include_input=False, include_url=False)
        }
        names = ", ".join(list(fields)[:5])
        raise Invalid(Text.of("Please check: {names}.", names=names), fields) from None


def _sentence(kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known here"
    return message.removeprefix("Value error, ")[:200]
