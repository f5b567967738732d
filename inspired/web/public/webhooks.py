"""Webhook endpoints of Binance Pay and Calendly: verify the raw bytes, save, answer; then process.

https://developers.binance.com/docs/binance-pay/webhook-common
"""

import structlog
from flask import Blueprint, Response, jsonify, request
from spectree import Response as Documented

from inspired.adapters.providers.binance import WebhookHeaders
from inspired.domain.shared.errors import BadSignature, Busy, TooMany, UpstreamError
from inspired.flows.booking import calendar_webhooks, payment_webhooks
from inspired.services import Services
from inspired.web.public.api import spec
from inspired.web.public.schemas import WebhookAnswer
from inspired.web.shared.current import services
from inspired.web.shared.rate_limits import Counter, address_key

bp = Blueprint("webhooks", __name__)
log = structlog.get_logger()
_strangers = Counter(lambda svc: svc.settings.rate_limit_bad_webhook, "bad-webhook")


@bp.post("/api/payments/webhook")
@spec.validate(
    resp=Documented(
        HTTP_200=WebhookAnswer,
        HTTP_401=WebhookAnswer,
        HTTP_404=WebhookAnswer,
        HTTP_429=WebhookAnswer,
        HTTP_503=WebhookAnswer,
    ),
    skip_validation=True,
    tags=["payments"],
)
def binance() -> tuple[Response, int]:
    """200 SUCCESS only for what is written down. 401: not Binance. 404: this site does not take Binance Pay. 503: try
    again, please."""
    svc = services()
    if not svc.binance.is_set_up():
        return _answer("FAIL", "Binance Pay is off at this site"), 404
    headers = WebhookHeaders(
        serial=request.headers.get("BinancePay-Certificate-SN", ""),
        nonce=request.headers.get("BinancePay-Nonce", ""),
        timestamp=request.headers.get("BinancePay-Timestamp", ""),
        signature=request.headers.get("BinancePay-Signature", ""),
    )
    try:
        payment_webhooks.receive(svc, headers, request.get_data())
    except BadSignature as error:
        log.warning("notice_refused", why=str(error))
        return _refused(svc, headers, str(error))
    except UpstreamError:
        # The certificate could not be fetched, so the sender may be a stranger or Binance.
        return _counted(svc) or (_answer("FAIL", "try again"), 503)
    except Busy:
        return _answer("FAIL", "try again"), 503
    return _answer("SUCCESS", None), 200


@bp.post("/api/calendly/webhook")
@spec.validate(
    resp=Documented(HTTP_200=WebhookAnswer, HTTP_401=WebhookAnswer, HTTP_429=WebhookAnswer, HTTP_503=WebhookAnswer),
    skip_validation=True,
    tags=["calendar"],
)
def calendly() -> tuple[Response, int]:
    """200 for what is written down, and for what is nobody's here. 401: not Calendly. 503: try again, please."""
    svc = services()
    try:
        calendar_webhooks.receive(svc, request.headers.get("Calendly-Webhook-Signature", ""), request.get_data())
    except BadSignature as error:
        log.warning("calendar_notice_refused", why=str(error))
        return _counted(svc) or (_answer("FAIL", str(error)), 401)
    except Busy:
        return _answer("FAIL", "try again"), 503
    return _answer("SUCCESS", None), 200


def _counted(svc: Services) -> tuple[Response, int] | None:
    """Rate-limit unsigned webhooks."""
    try:
        _strangers.count(svc, address_key())
    except TooMany as error:
        response = _answer("FAIL", str(error))
        response.headers["Retry-After"] = "60"
        return response, 429
    return None


def _refused(svc: Services, headers: WebhookHeaders, why: str) -> tuple[Response, int]:
    if (too_many := _counted(svc)) is not None:
        return too_many
    try:
        payment_webhooks.refused(svc, headers, request.get_data(), why)
    except Busy:
        log.warning("refusal_unrecorded")
    return _answer("FAIL", why), 401


def _answer(code: str, message: str | None) -> Response:
    return jsonify(returnCode=code, returnMessage=message)
