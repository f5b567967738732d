"""The only place that turns refusals and failures into answers: problem+json under /api, a page otherwise."""

import structlog
from flask import Flask, Response, jsonify, make_response, render_template, request
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from inspired.adapters.process import request_ids
from inspired.domain.shared.errors import BadSignature, Busy, Conflict, Invalid, Paused, Refusal, TooMany, UpstreamError
from inspired.domain.shared.languages import translated
from inspired.web.shared.current import services
from inspired.web.shared.rate_limits import limiter

RETRY_SECONDS = 5
log = structlog.get_logger()


def init_app(app: Flask) -> None:
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(UpstreamError, _upstream)
    app.register_error_handler(Busy, _busy)
    app.register_error_handler(BadSignature, _bad_signature)
    app.register_error_handler(RateLimitExceeded, _limited)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(SecurityError, _foreign_host)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(
    status: int,
    title: str,
    message: str,
    *,
    fields: dict[str, str] | None = None,
    retry_after: int | None = None,
    reference: str | None = None,
) -> Response:
    """RFC 9457 under /api, else the error page. The text is for people; details are in the log. `title` is English,
    `message` is in the reader's language already."""
    title = translated(title)
    if request.path.startswith("/api/"):
        body = {"type": "about:blank", "title": title, "status": status, "detail": message}
        if fields:
            body["errors"] = fields
        if reference:
            body["reference"] = reference
        response = jsonify(body)
        response.content_type = "application/problem+json"
    else:
        page = render_template(
            "error.html", title=title, message=message, status=status, retry_after=retry_after, reference=reference
        )
        response = make_response(page)
    response.status_code = status
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == 413:
        response.headers["Connection"] = "close"  # the rest of the body need not be read
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(error: Refusal) -> Response:
    fields = error.fields if isinstance(error, Invalid) else None
    retry_after = error.retry_after if isinstance(error, Conflict | Paused | TooMany) else None
    return problem(error.status, error.title, str(error), fields=fields, retry_after=retry_after)


def _upstream(error: UpstreamError) -> Response:
    log.warning("upstream", service=error.service, error=str(error))
    message = translated(
        "A service we depend on does not answer just now. Nothing was lost. Please try again in a moment."
    )
    return problem(503, "Please try again", message, retry_after=RETRY_SECONDS)


def _busy(error: Busy) -> Response:
    message = translated("We are busy or out of reach just now. Nothing was lost. Please try again in a moment.")
    return problem(503, "Please try again", message, retry_after=RETRY_SECONDS)


def _bad_signature(error: BadSignature) -> Response:
    return problem(401, "Not authenticated", translated("The signature is missing or wrong."))


def _limited(error: RateLimitExceeded) -> Response:
    current, now = limiter.current_limit, services().now().timestamp()
    seconds = max(1, round(current.reset_at - now)) if current else error.limit.limit.get_expiry()
    message = translated("That was too often. Please wait a little and try again.")
    return problem(429, "Too many at once", message, retry_after=seconds)


def _csrf(error: CSRFError) -> Response:
    message = translated(
        "This form was open for too long, or came from elsewhere. Please go back, reload the page and try again."
    )
    return problem(400, "Please send the form again", message)


def _foreign_host(error: SecurityError) -> Response:
    """Happens before URLs can be built, so there is no page: a request for another host gets none of our links."""
    message = translated("This host is not served here.")
    if request.path.startswith("/api/"):
        return problem(400, "Not served here", message)
    return Response(f"{message}\n", 400, mimetype="text/plain")


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if 300 <= status < 400:
        return make_response(error.get_response())
    message = translated(HTTP_SENTENCES.get(status, "The request cannot be answered like this."))
    response = problem(status, HTTP_TITLES.get(status, "The request cannot be answered"), message)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    reference = request_ids.current()
    log.exception("unexpected", endpoint=request.endpoint)
    message = translated("Something went wrong on our side. Nothing was charged by it. Please try again.")
    return problem(500, "Something went wrong", message, reference=reference)


HTTP_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
}
HTTP_SENTENCES = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    413: "That is too much at once.",
    415: "Please send JSON (Content-Type: application/json).",
}
