"""The evidence: every webhook received, its content and result; and a replay that changes nothing."""

import json
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.payment_logs import Webhook
from inspired.adapters.providers.binance import read_json
from inspired.domain.booking.customer_links import LEFT_OUT, without_links
from inspired.domain.booking.status import iso
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.flows.booking import replaying
from inspired.services import Services
from inspired.web.admin import timeline
from inspired.web.admin.booking_details import BEGINNING
from inspired.web.shared import auth, parsing
from inspired.web.shared.current import services

PER_PAGE = 50
WINDOW = timedelta(days=92)

bp = Blueprint("evidence", __name__, url_prefix="/admin/evidence")
bp.before_request(auth.admit)


@bp.get("/")
def webhooks() -> str:
    """?before=2026-11-23T14:02:00.000Z, newest first."""
    svc = services()
    before = _before(svc)
    found = svc.logs.inbound(before=before, after=before - WINDOW, most=PER_PAGE)
    rows = [(webhook, timeline.webhook_words(webhook), timeline.verdict(webhook)) for webhook in found]
    return render_template("admin/evidence/webhooks.html", rows=rows, older=iso(_older(svc, before, found)))


def _before(svc: Services) -> datetime:
    text = request.args.get("before", "")
    moment = parsing.moment(text) if text else svc.now() + timedelta(seconds=1)
    if moment is None:
        raise Invalid("“before” is a moment such as 2026-11-23T14:02:00Z.", {"before": "is not a moment"})
    return max(moment, BEGINNING + WINDOW)


def _older(svc: Services, before: datetime, found: list[dict[str, Any]]) -> datetime | None:
    """Where the next, older page starts; None if nothing is older."""
    if len(found) == PER_PAGE:
        last: datetime = found[-1]["at"]
        return last
    older = svc.logs.inbound(before=before - WINDOW, after=BEGINNING, most=1)
    return older[0]["at"] + timedelta(milliseconds=1) if older else None


@bp.get("/notice")
def webhook() -> str:
    svc = services()
    kept = svc.logs.kept(request.args.get("id", ""))
    body = _body(svc, kept)
    return render_template(
        "admin/evidence/webhook.html",
        notice=kept,
        words=timeline.webhook_words(kept),
        verdict=timeline.verdict({**kept, "followed": svc.logs.verdict_on(kept["_id"])}),
        body=body or _why_empty(kept),
        set_out=_set_out(body),
        left_out=LEFT_OUT in body,
    )


@bp.get("/replay")
def replay() -> ResponseReturnValue:
    """A dry run: nothing is saved, and that is verified afterwards."""
    svc = services()
    kept = svc.logs.kept(request.args.get("id", ""))
    if kept["event"] != "WEBHOOK_RECEIVED" or kept["biz_type"] == "CALENDLY" or not kept["raw"]:
        raise Conflict("Only a notice of Binance that was accepted, and is still kept, can be replayed.")
    found: Webhook = svc.logs.get(kept["_id"])
    try:
        replayed = replaying.replay(svc, found)
    except CannotDecrypt:
        raise Conflict("What this notice held cannot be read any more.") from None
    if replayed is None:
        raise Conflict("This notice is about no booking here, so there is nothing to replay it on.")
    is_untouched = svc.bookings.get(replayed.stored.id) == replayed.stored
    return render_template(
        "admin/evidence/replay.html",
        notice=kept,
        words=timeline.webhook_words(kept),
        replayed=replayed,
        first=timeline.differences(replayed.before, replayed.once),
        second=timeline.differences(replayed.once, replayed.twice),
        now_changes=[] if timeline.is_same(replayed) else timeline.differences(replayed.stored, replayed.now),
        is_untouched=is_untouched,
    )


def _body(svc: Services, kept: dict[str, Any]) -> str:
    """The text without customers' links; "" if it no longer exists."""
    try:
        return without_links(svc.vault.open(bytes(kept["key"]), kept["key_owner"], "notice", bytes(kept["raw"])))
    except CannotDecrypt:
        return ""


def _why_empty(kept: dict[str, Any]) -> str:
    return "It cannot be read any more." if kept["raw"] else "It was erased with the customer’s personal data."


def _set_out(body: str) -> str:
    """Pretty-printed JSON, including the JSON that Binance embeds as a string; "" if it is not JSON. Anybody may have
    sent it, so it may be nested too deeply or contain lone surrogates, which no page can show."""
    try:
        found = read_json(body.encode())
        if isinstance(found, dict) and isinstance(found.get("data"), str):
            found = {**found, "data": read_json(found["data"].encode())}
        text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""
    return text.encode("utf-8", "replace").decode()
