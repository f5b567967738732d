"""Where Binance Pay knocks. Raw bytes are verified, the notice is durable, then the answer; work comes after.

https://developers.binance.com/docs/binance-pay/webhook-common
"""

from flask import Blueprint, Response, jsonify, request

from inspired.adapters.binance import NoticeHeaders
from inspired.domain.errors import BadSignature, Busy, UpstreamError
from inspired.flows import notices
from inspired.web.current import services
from inspired.web.limits import Counter, address_key

bp = Blueprint("webhooks", __name__)
_strangers = Counter(lambda svc: svc.settings.rate_limit_bad_webhook, "bad-webhook")


@bp.post("/api/payments/webhook")
def binance() -> tuple[Response, int]:
    """200 SUCCESS only for what is written down. 401: not Binance. 503: try again, please."""
    svc = services()
    headers = NoticeHeaders(
        serial=request.headers.get("BinancePay-Certificate-SN", ""),
        nonce=request.headers.get("BinancePay-Nonce", ""),
        timestamp=request.headers.get("BinancePay-Timestamp", ""),
        signature=request.headers.get("BinancePay-Signature", ""),
    )
    try:
        notices.receive(svc, headers, request.get_data())
    except BadSignature as error:
        _strangers.count(svc, address_key())
        return _answer("FAIL", str(error)), 401
    except (UpstreamError, Busy):
        return _answer("FAIL", "try again"), 503
    return _answer("SUCCESS", None), 200


def _answer(code: str, message: str | None) -> Response:
    return jsonify(returnCode=code, returnMessage=message)
