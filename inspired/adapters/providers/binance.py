"""Binance Pay's merchant API: requests signed over the exact bytes sent, answers judged by their envelope.

https://developers.binance.com/docs/binance-pay/api-common · …/api-order-create-v3 · …/api-order-query-v2 ·
…/api-order-close · …/api-order-refund · …/api-order-refund-query · …/webhook-query-certificate · …/webhook-common

Binance Pay is an internal transfer between Binance accounts: it involves no chain, network, address or gas.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import string
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from inspired.adapters.providers.binance_certificates import Certificates, OwnShelf, Shelf
from inspired.adapters.providers.http import Answer, Http
from inspired.adapters.redis.throttle import Breaker, Throttle
from inspired.domain.booking.booking import Checkout
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import Remote
from inspired.domain.monitoring.provider_refusals import concerns_every_call
from inspired.domain.shared.errors import BadSignature, BalanceTooLow, UpstreamError
from inspired.domain.shared.money import Money

SERVICE = "binance"
PREFIX = "/binancepay/openapi"
SUCCESS = "000000"
UNKNOWN_ERROR = "400000"
BAD_TIMESTAMP = "400003"
DUPLICATE_TRADE_NO = "400201"
ORDER_NOT_FOUND = "400202"
CANNOT_CLOSE = "400204"
NO_SUCH_PREPAY_ID = "400301"
LOW_BALANCE = "400304"
CREATE, REFUND, CERTIFICATES = "/v3/order", "/order/refund", "/certificates"
URGENT = frozenset({CREATE, REFUND, CERTIFICATES})  # not repeated by routine
ADDRESS = re.compile(r"[!-\[\]-~]{1,512}")

log = structlog.get_logger()


GOODS_SIGNS = "-.,:()/+"
GOODS_BYTES = 256  # of productName, which Binance builds from it; v3's limit is undocumented
WRITTEN_OUT = str.maketrans(
    {"&": " and ", **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"), ";": ","}
)


def goods_text(text: str, *, otherwise: str = "") -> str:
    """The owner's text reduced to what Binance Pay accepts in goodsName, description and refundReason; `otherwise` if
    nothing is left.

    Binance refuses the whole order with 400103 for "special characters such as \\, \" and emoji" and has no list of
    them. So only letters and digits of any script, spaces and these few signs are kept
    (https://developers.binance.com/docs/binance-pay/api-order-create-v3).
    """
    kept = "".join(map(_goods_sign, unicodedata.normalize("NFKC", text).translate(WRITTEN_OUT)))
    line = " ".join(kept.split()).strip("-,:/+ ")
    cut = line.encode()[:GOODS_BYTES].decode(errors="ignore").strip()
    return cut if any(sign.isalnum() for sign in cut) else otherwise


def _goods_sign(sign: str) -> str:
    """The character, a space for a space, or nothing. Beyond the first 65,536 code points are emoji and rare scripts,
    and emoji selectors are among the accents."""
    if sign in GOODS_SIGNS:
        return sign
    kind = unicodedata.category(sign)
    is_word = kind[0] == "L" or kind in ("Nd", "Mn", "Mc")
    if is_word and ord(sign) < 0x10000 and not 0xFE00 <= ord(sign) <= 0xFE0F:
        return sign
    return " " if kind[0] == "Z" or sign in "\t\r\n" else ""


class Refused(UpstreamError):
    """A definite no: the envelope carries an error code, and nothing was done. What is refused like every other call
    may be accepted later."""

    def __init__(self, code: str, message: str) -> None:
        again = concerns_every_call(code)
        super().__init__(SERVICE, f"{code} {message[:200]}", retryable=again, maybe_applied=False, code=code)


@dataclass(frozen=True, slots=True)
class CallMade:
    """One call, for the evidence log: no body, key or personal data. `outcome`: "ok", Binance's own code, or the
    failure; `reference`: the number of its order or refund."""

    at: datetime
    path: str
    reference: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class WebhookHeaders:
    """The four webhook headers. In a stranger's request any of them may be missing."""

    serial: str
    nonce: str
    timestamp: str
    signature: str


class BinancePay:
    """One merchant account. `now` is our clock, `elapsed` a monotonic one; through `shelf` the processes share
    certificates. Every method takes the seconds it may use.

    Without keys it is not set up: nothing new is paid by it, and every call raises UpstreamError before it is sent, so
    orders from the time when it was on stay as they were."""

    def __init__(
        self,
        http: Http,
        *,
        throttle: Throttle,
        base_url: str,
        api_key: str,
        secret_key: str,
        webhook_url: str,
        merchant_id: str,
        pinned_serial: str,
        now: Callable[[], datetime],
        on_call: Callable[[CallMade], None],
        shelf: Shelf | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self.throttle = throttle
        self._base = base_url
        self._api_key = api_key
        self._secret = secret_key.encode()
        self._webhook_url = webhook_url
        self._merchant_id = merchant_id
        self._pinned_serial = pinned_serial
        self._now = now
        self._on_call = on_call
        self._elapsed = elapsed
        self._certificates = Certificates(
            lambda seconds: self.certificates(seconds=seconds), shelf=shelf or OwnShelf(), now=now, elapsed=elapsed
        )
        self.clock_skew: float | None = None  # seconds by which Binance's clock was last ahead of ours

    # --- orders -----------------------------------------------------------------------------------------------------

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
        """Create Order v3. Raises Refused (definite) or UpstreamError (unknown outcome: query before anything else).
        That the number is taken means that an earlier call arrived."""
        name = goods_text(title, otherwise=reference)
        data = self._call(
            CREATE,
            {
                "env": {"terminalType": "WEB"},
                "merchantTradeNo": trade_no,
                "orderAmount": _json_number(price),
                "currency": price.currency,
                "description": name,
                "goodsDetails": [
                    {"goodsType": "02", "goodsCategory": "Z000", "referenceGoodsId": reference, "goodsName": name}
                ],
                "returnUrl": page_url,
                "cancelUrl": page_url,
                "orderExpireTime": _epoch_ms(expires_at),
                "webhookUrl": self._webhook_url,
            },
            seconds,
        )
        return self._checkout(data, price)

    def query(self, trade_no: str, *, asked_at: datetime | None = None, seconds: float = 5.0) -> OrderObservation:
        """Query Order v2, asked now (or `asked_at`, by the caller's clock). `status` None: no such order there."""
        asked_at = asked_at or self._now()
        try:
            data = self._call("/v2/order/query", {"merchantTradeNo": trade_no}, seconds)
        except Refused as refusal:
            if refusal.code == ORDER_NOT_FOUND:
                return OrderObservation(trade_no, asked_at, None)
            raise
        body = _object(data)
        if str(body.get("merchantTradeNo", "")) != trade_no:
            raise UpstreamError(SERVICE, "the answer is about another order")
        if self._merchant_id and str(body.get("merchantId", "")) != self._merchant_id:
            raise UpstreamError(SERVICE, "the answer is about another merchant")
        status = _status(body.get("status"))
        return OrderObservation(
            trade_no=trade_no,
            asked_at=asked_at,
            status=status,
            money=read_money(body.get("orderAmount"), body.get("currency")) if status.has_money else None,
            commission=read_money(body.get("commission"), body.get("currency")) if status.has_money else None,
            prepay_id=read_text(body.get("prepayId"), 64),
            transaction_id=read_text(body.get("transactionId"), 128),
            paid_at=read_moment(body.get("transactTime")),
        )

    def close(self, trade_no: str, *, seconds: float = 5.0) -> None:
        """Close Order. This only requests it; a query tells the result. A refusal (paid, unknown) is not an error."""
        try:
            self._call("/order/close", {"merchantTradeNo": trade_no}, seconds)
        except Refused as refusal:
            if refusal.code not in (CANNOT_CLOSE, ORDER_NOT_FOUND):
                raise

    def refund(
        self, *, refund_request_id: str, prepay_id: str, amount: Money, reason: str, seconds: float = 10.0
    ) -> RefundSeen:
        """Refund Order. Repeating it with the same id is answered without refunding again. Acceptance says nothing
        about the outcome yet."""
        body = {
            "refundRequestId": refund_request_id,
            "prepayId": prepay_id,
            "refundAmount": _json_number(amount),
            "refundReason": goods_text(reason, otherwise="Refund"),
            "webhookUrl": self._webhook_url,
        }
        asked_at = self._now()
        return _refund(self._call(REFUND, body, seconds), refund_request_id, amount.currency, asked_at)

    def query_refund(
        self, refund_request_id: str, currency: str, *, trade_no: str = "", seconds: float = 5.0
    ) -> RefundSeen:
        """Query Refund, asked now. `outcome` None: no such refund there."""
        asked_at = self._now()
        try:
            data = self._call("/order/refund/query", {"refundRequestId": refund_request_id}, seconds)
        except Refused as refusal:
            if refusal.code in (ORDER_NOT_FOUND, NO_SUCH_PREPAY_ID):
                return RefundSeen(refund_request_id, asked_at, None, trade_no)
            raise
        return replace(_refund(data, refund_request_id, currency, asked_at), trade_no=trade_no)

    def vouches_for(self, trade_no: str, checkout: Checkout) -> bool:
        """True: an order of ours at Binance pays nobody else, and its URLs lead there (`_own_url`)."""
        return True

    def probe(self, *, seconds: float = 5.0) -> None:
        self.certificates(seconds=seconds)

    def state(self) -> Breaker:
        return self.throttle.state()

    def is_set_up(self) -> bool:
        return bool(self._api_key and self._secret)

    def has_room(self) -> bool:
        return True

    # --- webhooks ---------------------------------------------------------------------------------------------------

    def verify_webhook(
        self, headers: WebhookHeaders, raw: bytes, *, seconds: float = 2.0, order: Callable[[], str] = lambda: ""
    ) -> None:
        """RSA PKCS#1 v1.5 / SHA-256 over timestamp LF nonce LF body LF, with the key of that serial. `order` returns
        the number of our order named in the webhook, if any.

        Raises BadSignature; UpstreamError while the certificates cannot be fetched; Busy while MongoDB cannot tell
        whether they may be fetched.
        """
        if not (headers.serial and headers.nonce and headers.timestamp and headers.signature):
            raise BadSignature("a header is missing")
        if self._pinned_serial and not hmac.compare_digest(headers.serial.encode(), self._pinned_serial.encode()):
            raise BadSignature("not the pinned certificate")
        try:
            signature = base64.b64decode(headers.signature, validate=True)
            payload = f"{headers.timestamp}\n{headers.nonce}\n".encode() + raw + b"\n"
        except (binascii.Error, ValueError):
            raise BadSignature("not base64") from None
        key = self._certificates.find(headers.serial, seconds, order)
        try:
            key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise BadSignature("the signature is wrong") from None

    def certificates(self, *, seconds: float = 5.0) -> dict[str, RSAPublicKey]:
        """Query Certificate: public keys by serial, valid from now on. Keys other than RSA are left out."""
        data = self._call(CERTIFICATES, {}, seconds)
        if not isinstance(data, list):
            raise UpstreamError(SERVICE, "certificates are not a list")
        found: dict[str, RSAPublicKey] = {}
        for item in data:
            entry = _object(item)
            try:
                key = serialization.load_pem_public_key(str(entry.get("certPublic")).encode())
            except ValueError:
                log.warning("certificate_unreadable", service=SERVICE)
                continue
            if isinstance(key, RSAPublicKey) and isinstance(entry.get("certSerial"), str):
                found[entry["certSerial"]] = key
        self._certificates.keep(found)
        return found

    # --- the protocol -----------------------------------------------------------------------------------------------

    def _call(self, path: str, body: dict[str, Any], seconds: float) -> Any:
        """One signed POST, if the throttle allows it; the outcome is reported to the throttle. Returns the envelope's
        `data`.

        The bytes are serialised once: what is signed is what is sent.
        """
        if not self.is_set_up():  # no failure of Binance's, so the throttle hears nothing of it
            raise UpstreamError(SERVICE, "it is off, its keys are not set", retryable=True, maybe_applied=False)
        permit = self.throttle.take(urgent=path in URGENT, seconds=seconds)
        raw = json.dumps(body, separators=(",", ":")).encode()
        timestamp = str(_epoch_ms(self._now()))
        nonce = "".join(secrets.choice(string.ascii_letters) for _ in range(32))
        headers = {
            "content-type": "application/json",
            "BinancePay-Timestamp": timestamp,
            "BinancePay-Nonce": nonce,
            "BinancePay-Certificate-SN": self._api_key,
            "BinancePay-Signature": sign(self._secret, timestamp, nonce, raw),
        }
        begun, outcome, asked, is_usable = self._elapsed(), "ok", 0, False
        refusal: tuple[str, str] | None = None
        try:
            answer = self._http.call(
                SERVICE, "POST", self._base + PREFIX + path, body=raw, headers=headers, seconds=seconds, what=path
            )
            self._watch_clock(answer)
            asked = _asked_wait(answer)
            refusal = _refusal_of_every_call(answer)
            envelope = _envelope(answer)
            # A refusal in Binance's own format is an answer too: the connection works.
            is_usable = answer.status < 500 and answer.status != 429
            return _judged(answer.status, envelope)
        except UpstreamError as error:
            outcome = refusal[0] if refusal else error.code or str(error)
            raise
        finally:
            if refusal is not None:
                code, words = refusal
                self.throttle.refused(permit, path, code=code, words=words, sells=path == CREATE)
            elif is_usable:
                self.throttle.answered(permit, path)
            else:
                self.throttle.failed(permit, asked=asked)
            reference = str(body.get("merchantTradeNo") or body.get("refundRequestId") or "")
            self._on_call(CallMade(self._now(), path, reference, outcome, self._elapsed() - begun))

    def _watch_clock(self, answer: Answer) -> None:
        """Binance refuses requests more than about a second off; its Date header shows our deviation."""
        if answer.date is not None:
            self.clock_skew = answer.date - self._now().timestamp()

    def _checkout(self, data: Any, price: Money) -> Checkout:
        body = _object(data)
        amount = read_money(body.get("totalFee"), body.get("currency")) if "totalFee" in body else price
        prepay_id = read_text(body.get("prepayId"), 64)
        checkout = Checkout(
            prepay_id=prepay_id,
            qr_content=self._own_url(body.get("qrContent")),
            checkout_url=self._own_url(body.get("checkoutUrl")),
            deep_link=_deep_link(body.get("deeplink")),
            universal_url=self._own_url(body.get("universalUrl")),
        )
        if not prepay_id or not (checkout.qr_content or checkout.checkout_url) or amount != price:
            raise UpstreamError(SERVICE, "created, but the answer cannot be used")
        return checkout

    def _own_url(self, value: Any) -> str:
        """The URL if it leads to Binance (or, in the sandbox, to the stand-in); otherwise ""."""
        text = _address(value)
        try:
            parts, base = urlsplit(text), urlsplit(self._base)
        except ValueError:
            return ""
        if base.scheme == "http":
            return text if (parts.scheme, parts.netloc) == (base.scheme, base.netloc) else ""
        host = parts.hostname or ""
        right = host in ("binance.com", "binance.me") or host.endswith((".binance.com", ".binance.me"))
        return text if parts.scheme == "https" and right else ""


def sign(secret: bytes, timestamp: str, nonce: str, body: bytes) -> str:
    """Upper-case hex of HMAC-SHA512 over timestamp LF nonce LF body LF (api-common)."""
    payload = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return hmac.new(secret, payload, hashlib.sha512).hexdigest().upper()


def read_json(raw: bytes) -> Any:
    """Parse Binance's JSON with exact numbers (Decimal, never float). Raises ValueError."""

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is not a number")

    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _asked_wait(answer: Answer) -> int:
    """Seconds we are asked to wait, or 0. A date in Retry-After is ignored; our own back-off applies."""
    text = answer.headers.get("retry-after", "")
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0


def _envelope(answer: Answer) -> dict[str, Any]:
    """Raises UpstreamError if the answer is not Binance Pay's."""
    try:
        envelope = read_json(answer.body)
    except ValueError:
        raise UpstreamError(SERVICE, f"HTTP {answer.status}, not JSON") from None
    if not isinstance(envelope, dict):
        raise UpstreamError(SERVICE, f"HTTP {answer.status}, not an envelope")
    return envelope


def _refusal_of_every_call(answer: Answer) -> tuple[str, str] | None:
    """Code and message of a refusal that concerns all our calls, not just this one; otherwise None.

    An unserved region or a blocked address is answered by a gateway, without a Binance Pay code and perhaps as HTML.
    Then the HTTP status is used as the code.
    """
    if answer.status >= 500 or answer.status == 429:
        return None
    try:
        envelope = _envelope(answer)
    except UpstreamError:
        envelope = {}
    if envelope.get("status") == "SUCCESS":
        return None
    said = read_text(envelope.get("errorMessage") or envelope.get("msg"), 200)
    code, words = str(envelope.get("code", "")), " ".join(said.split())
    if concerns_every_call(code):
        return code, words
    if answer.status == 451 or (code == "0" and "restricted location" in words.lower()):
        return "HTTP 451", words
    status = f"HTTP {answer.status}"
    return (status, words) if concerns_every_call(status) and not _is_definite(code) else None


def _is_definite(code: str) -> bool:
    return code.isdigit() and len(code) == 6 and code.startswith("4") and code != UNKNOWN_ERROR


def _judged(http: int, envelope: dict[str, Any]) -> Any:
    """The `data` of a success. Success means status SUCCESS and code 000000, whatever the HTTP status."""
    code = str(envelope.get("code", ""))
    if envelope.get("status") == "SUCCESS" and code == SUCCESS:
        return envelope.get("data")
    message = str(envelope.get("errorMessage") or envelope.get("msg") or "")[:200]
    if not _is_definite(code) or envelope.get("status") == "ERROR" or http == 429:
        raise UpstreamError(SERVICE, f"HTTP {http}, {code} {message}", code=code)
    if code == BAD_TIMESTAMP:
        raise UpstreamError(SERVICE, "our clock is off", maybe_applied=False, code=code)
    if code == DUPLICATE_TRADE_NO:  # an earlier call arrived, and nobody knows what became of it
        raise UpstreamError(SERVICE, f"{code} {message}", code=code)
    if code == LOW_BALANCE:
        raise BalanceTooLow(SERVICE, f"{code} {message}", retryable=False, maybe_applied=False, code=code)
    raise Refused(code, message)


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise UpstreamError(SERVICE, "the answer has another shape")
    return data


def _status(value: Any) -> Remote:
    try:
        return Remote(str(value))
    except ValueError:
        return Remote.UNKNOWN


def read_money(amount: Any, currency: Any) -> Money | None:
    """None if the amount cannot be read; that never counts as paid."""
    try:
        return Money.parse(amount, read_text(currency, 16))
    except (ValueError, ArithmeticError):
        return None


def read_text(value: Any, longest: int) -> str:
    """Truncate, and replace lone surrogates, which cannot be stored."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return str(value)[:longest].encode("utf-8", "replace").decode()


def read_moment(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(read_text(value, 32)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _address(value: Any) -> str:
    r"""A complete URL of plain ASCII. A browser reads "\" as "/", which could turn the host into a user name."""
    return value if isinstance(value, str) and ADDRESS.fullmatch(value) else ""


def _deep_link(value: Any) -> str:
    text = _address(value)
    return text if text.startswith("bnc://app.binance.com/") else ""


OUTCOMES = {"REFUND_SUCCESS": Outcome.DONE, "REFUND_FAIL": Outcome.FAILED}


def _refund(data: Any, refund_request_id: str, currency: str, asked_at: datetime) -> RefundSeen:
    body = _object(data)
    amount, in_all = read_money(body.get("refundAmount"), currency), read_money(body.get("refundedAmount"), currency)
    remaining = body.get("remainingAttempts")
    whose = read_text(body.get("refundRequestId"), 64)
    if amount is None or in_all is None or not isinstance(remaining, int) or whose != refund_request_id:
        raise UpstreamError(SERVICE, "the refund's answer cannot be read")
    return RefundSeen(
        refund_id=refund_request_id,
        asked_at=asked_at,
        outcome=OUTCOMES.get(read_text(body.get("refundStatus"), 32), Outcome.PENDING),
        amount=amount,
        refunded_in_all=in_all,
        remaining=remaining,
    )


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _json_number(money: Money) -> int | str:
    """Whole amounts as JSON numbers, others as numeric strings: Binance accepts both, and neither is a float."""
    return int(money.amount) if money.amount == money.amount.to_integral_value() else str(money)
