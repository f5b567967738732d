"""Health endpoints: for machines (live, ready, deep), for the owner, and in public."""

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template
from flask.typing import ResponseReturnValue
from spectree import Response as Documented

from inspired.domain.booking.status import iso
from inspired.domain.monitoring.health import Health, Line, Part, Way, overall, public_lines, ways_to_pay
from inspired.domain.shared.errors import Busy
from inspired.flows.monitoring import health
from inspired.web.public.api import spec
from inspired.web.public.api_document import SESSION
from inspired.web.public.schemas import HealthAnswer, Problem
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.status_snapshot import board

public = Blueprint("status", __name__)
bp = Blueprint("health", __name__, url_prefix="/admin")
api_bp = Blueprint("health_api", __name__, url_prefix="/api/admin")
bp.before_request(auth.admit)
api_bp.before_request(auth.admit_api)


@public.get("/livez")
def live() -> Response:
    """This process answers. Makes no calls: restarting it would not help against a database outage."""
    return jsonify(ok=True)


@public.get("/readyz")
def ready() -> tuple[Response, int]:
    """This process can work: it reaches the database."""
    try:
        services().ping()
    except Busy:
        return jsonify(ok=False, database=False), 503
    return jsonify(ok=True, database=True), 200


@public.get("/status")
def page() -> str:
    lines = _lines()
    return render_template("site/status.html", lines=lines, ways=_ways(), overall=overall(lines))


@public.get("/status.json")
def as_json() -> ResponseReturnValue:
    """503 while something is not working or unknown, so that a monitor can rely on the status code. One way to pay that
    is away is none of these parts as long as another one works."""
    lines = _lines()
    worst = overall(lines)
    parts = [{"name": line.name, "state": line.health, "since": iso(line.since)} for line in lines]
    ways = [{"name": way.name, "state": way.health, "since": iso(way.since)} for way in _ways()]
    body = {"state": worst, "parts": parts, "waysToPay": ways, "at": iso(services().now())}
    return jsonify(body), 503 if worst in (Health.ILL, Health.UNKNOWN) else 200


def _ways() -> tuple[Way, ...]:
    return ways_to_pay(board().facts(), services().now())


def _lines() -> tuple[Line, ...]:
    return public_lines(board().facts(), services().now())


@bp.get("/health")
def deep_page() -> str:
    svc = services()
    parts = sorted(health.examine(svc), key=lambda part: ORDER.index(part.health))
    return render_template("admin/health/health.html", parts=parts, versions=health.versions(svc), now=svc.now())


ORDER = (Health.ILL, Health.SLOW, Health.UNKNOWN, Health.WELL)


@api_bp.get("/health")
@spec.validate(
    resp=Documented(HTTP_200=HealthAnswer, HTTP_401=Problem, HTTP_403=Problem),
    security={SESSION: []},
    skip_validation=True,
    tags=["admin"],
)
def deep() -> Response:
    """Every part with its state. `ok` is false while one of them is not working."""
    svc = services()
    parts = health.examine(svc)
    body = {
        "ok": all(part.health is not Health.ILL for part in parts),
        "at": iso(svc.now()),
        "parts": [_shape(part) for part in parts],
        "versions": health.versions(svc),
    }
    response = make_response(jsonify(body))
    response.headers["Cache-Control"] = "no-store"
    return response


def _shape(part: Part) -> dict[str, Any]:
    now = services().now()
    return {
        "id": part.id,
        "title": part.title,
        "state": part.health,
        "detail": part.detail,
        "at": iso(part.at),
        "ageSeconds": None if part.at is None else round((now - part.at).total_seconds()),
        "runbook": f"/admin/runbook/{part.runbook}" if part.runbook else None,
    }
