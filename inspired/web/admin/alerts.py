"""Alerts, their run-books, and how the owner is told of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.mongo.alerts import OLD_SECRET_LASTS, Delivery
from inspired.adapters.providers import outgoing_webhooks
from inspired.domain.monitoring import alerts as rules
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.alerts import Alert, Episode, Standing
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from inspired.flows.monitoring import alerting
from inspired.flows.shared import owner_notifications
from inspired.rehearsal.running import drill_called
from inspired.services import Services
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.forms import WebhookForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.outgoing import checked_host
from inspired.web.shared.refusals import refusals_shown_by

SHOWN = 50
A_TRY_TAKES = timedelta(seconds=30)
MESSAGES_OF = timedelta(days=30)
NO_WEBHOOK = "No webhook is set."

bp = Blueprint("alerts", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/alerts")
def alerts(refusal: Refusal | None = None) -> str:
    return _page(services(), refusal)


@bp.post("/alerts/<alert_id>/acknowledge")
def acknowledge(alert_id: str) -> ResponseReturnValue:
    """Mark the alert as being handled."""
    svc, alert = services(), _alert(alert_id)
    by = auth.session_of(svc).person_id
    before = svc.alerts.all().get(alert.id)
    if before is None or not before.is_firing:
        raise Conflict("This is over already.")
    auth.note(svc, "alert acknowledged", alert.id)
    svc.alerts.change(alert.id, lambda standing: rules.acknowledged(standing, by, svc.now()))
    return go(url_for("alerts.alerts", said="acknowledged"))


@bp.post("/alerts/webhook")
@refusals_shown_by(alerts)
def set_webhook() -> ResponseReturnValue:
    """A new URL gets a new secret, shown once on the answer page."""
    svc, url = services(), read(WebhookForm, request.form).url
    host = checked_host(svc, url)
    secret = outgoing_webhooks.new_secret()
    auth.note(svc, "webhook set", host)
    svc.outgoing_webhook.set(url, host, secret, svc.now())
    return render_template("admin/alerts/webhook_secret.html", secret=secret, host=host, old_until=None)


@bp.post("/alerts/webhook/rotate")
def rotate() -> ResponseReturnValue:
    """For a day both secrets sign, so that the receiver can be switched in between."""
    svc = services()
    before, secret, now = svc.outgoing_webhook.get(svc.now()), outgoing_webhooks.new_secret(), svc.now()
    if before is None:
        raise Conflict(NO_WEBHOOK)
    auth.note(svc, "webhook secret changed", before.host)
    svc.outgoing_webhook.rotated(before, secret, now)
    until = now + OLD_SECRET_LASTS
    return render_template("admin/alerts/webhook_secret.html", secret=secret, host=before.host, old_until=until)


@bp.post("/alerts/webhook/remove")
def remove_webhook() -> ResponseReturnValue:
    svc = services()
    if (before := svc.outgoing_webhook.get(svc.now())) is not None:
        auth.note(svc, "webhook removed", before.host)
        svc.outgoing_webhook.remove()
    return go(url_for("alerts.alerts", said="removed"))


@bp.post("/alerts/webhook/test")
def test_webhook() -> ResponseReturnValue:
    svc = services()
    if svc.outgoing_webhook.get(svc.now()) is None:
        raise Conflict(NO_WEBHOOK)
    alerting.send_test(svc)
    return go(url_for("alerts.alerts", said="sent", _anchor="messages"))


@bp.post("/alerts/messages/<delivery_id>/again")
def send_again(delivery_id: str) -> ResponseReturnValue:
    svc = services()
    auth.note(svc, "alert sent again", svc.deliveries.get(delivery_id).message_id)
    alerting.send_again(svc, delivery_id)
    return go(url_for("alerts.alerts", said="sent", _anchor="messages"))


@bp.get("/runbook")
def runbooks() -> str:
    return render_template(
        "admin/alerts/runbooks.html", of_site=runbook.SITE.values(), of_booking=runbook.OF_BOOKING.values()
    )


@bp.get("/runbook/<alert_id>")
def one_runbook(alert_id: str) -> str:
    svc, alert = services(), _alert(alert_id)
    played = [drill_called(drill) for drill in alert.drills]
    return render_template(
        "admin/alerts/runbook.html", alert=alert, standing=svc.alerts.all().get(alert.id), played=played
    )


@dataclass(frozen=True, slots=True)
class Firing:
    alert: Alert
    standing: Standing
    acknowledged_by: str


def _page(svc: Services, refusal: Refusal | None = None) -> str:
    now, standings = svc.now(), svc.alerts.all()
    names = {person.id: person.email for person in svc.people.all()}
    firing = [
        Firing(runbook.SITE[standing.id], standing, names.get(standing.acknowledged_by, standing.acknowledged_by))
        for standing in standings.values()
        if standing.is_firing and standing.id in runbook.SITE
    ]
    messages = svc.deliveries.newest(now - MESSAGES_OF, SHOWN)
    return render_template(
        "admin/alerts/alerts.html",
        firing=sorted(firing, key=lambda shown: (SEVERITIES.index(shown.alert.severity), shown.standing.firing_since)),
        history=_history(standings, names),
        messages=[(delivery, _sentence_of(delivery)) for delivery in messages],
        is_sending=any(_is_under_way(delivery, now) for delivery in messages),
        rates=_rates(svc),
        recipients=owner_notifications.addresses(svc, "alerts"),
        webhook=svc.outgoing_webhook.get(now),
        url=request.form.get("url", "") if refusal else "",
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
        said=request.args.get("said", ""),
    )


SEVERITIES = tuple(rules.Severity)


def _history(standings: dict[str, Standing], names: dict[str, str]) -> list[tuple[Alert, Episode, str]]:
    known = [standing for standing in standings.values() if standing.id in runbook.SITE]
    past = [(runbook.SITE[standing.id], episode) for standing in known for episode in standing.episodes]
    past.sort(key=lambda pair: pair[1].until, reverse=True)
    return [
        (alert, episode, names.get(episode.acknowledged_by, episode.acknowledged_by)) for alert, episode in past[:SHOWN]
    ]


def _rates(svc: Services) -> list[tuple[str, rules.Rate, int, bool]]:
    """Each rate with its name, its limit in percent, and whether it is above it with confidence."""
    payments, notices = alerting.rates(svc)
    limits = (alerting.PAYMENTS_LIMIT, alerting.NOTICES_LIMIT)
    names = ("Payments that failed", "Payments without a notice of Binance Pay")
    return [
        (name, rate, int(limit * 100), rate.is_beyond(limit))
        for name, rate, limit in zip(names, (payments, notices), limits, strict=True)
    ]


def _is_under_way(delivery: Delivery, now: datetime) -> bool:
    """True if the page should reload in a moment."""
    if delivery.due_at is None:
        return False
    is_tried = delivery.last_at is not None and not delivery.answer and now - delivery.last_at < A_TRY_TAKES
    return delivery.due_at <= now or is_tried


def _sentence_of(delivery: Delivery) -> str:
    return runbook.SITE[delivery.alert].sentence if delivery.alert in runbook.SITE else alerting.TEST.sentence


def _alert(alert_id: str) -> Alert:
    if alert_id not in runbook.ALL:
        raise NotFound("There is no such alert.")
    return runbook.ALL[alert_id]
