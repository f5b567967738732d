"""What lies at which address on chain, for the owner who sweeps it to a wallet: as page and as file."""

from flask import Blueprint, Response, make_response, render_template

from inspired.domain.booking.status import iso
from inspired.flows.booking import chain_reconciling, sweeps
from inspired.web.admin.sheets import csv_of
from inspired.web.shared import auth
from inspired.web.shared.current import services

MOST_ON_A_PAGE = 200  # the file has all
COLUMNS = ("address", "path", "network", "balance", "currency", "given out", "last movement", "looked at")

bp = Blueprint("sweeps", __name__, url_prefix="/admin/sweeps")
bp.before_request(auth.admit)


@bp.get("")
def overview() -> str:
    svc = services()
    found = sweeps.funded(svc)
    return render_template(
        "admin/sweeps/sweeps.html",
        addresses=found[:MOST_ON_A_PAGE],
        count=len(found),
        sums=sweeps.sums(found),
        differing=sweeps.differing(svc),
        run=svc.runs.get(chain_reconciling.NAME),
    )


@bp.post("")
def export() -> Response:
    """All of them, with times in UTC. Recorded in the audit log."""
    svc = services()
    found = sweeps.funded(svc)
    auth.note(svc, "sweeps_exported", "", f"{len(found)} addresses")
    rows = [
        (
            *(one.address, one.path, str(one.network), str(one.balance), one.balance.currency),
            *(iso(at) or "" for at in (one.given_at, one.moved_at, one.looked_at)),
        )
        for one in found
    ]
    response = make_response(csv_of(COLUMNS, rows))
    response.mimetype = "text/csv"
    response.headers["Content-Disposition"] = f'attachment; filename="sweeps-{svc.now():%Y-%m-%d}.csv"'
    return response
