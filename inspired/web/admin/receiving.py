"""Where money on chain goes: addresses, nodes, what waits, and the comparison with the wallet that switches it on. Also
the wallets that refunds are sent from."""

import re
from collections.abc import Sequence

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.receiving import SOURCES, WALLETS, NodeAddress, nodes_of, place_of, wallets_of
from inspired.domain.accounts.people import FRESH
from inspired.domain.booking.address_reuse import REST
from inspired.domain.booking.receiving import Entry, Part
from inspired.domain.shared.errors import Invalid, NotFound, Refusal
from inspired.domain.shared.networks import Kind, Network
from inspired.domain.shared.timezones import moment_in_words
from inspired.flows.accounts import authentication
from inspired.flows.site import receiving
from inspired.services import Services
from inspired.web.shared import auth, rate_limits
from inspired.web.shared.current import services
from inspired.web.shared.htmx import go
from inspired.web.shared.outgoing import checked_host
from inspired.web.shared.refusals import refusals_shown_by

# Only what has the shape of an address is shown again in a refused form: all else might be a secret.
SHOWN_AGAIN = re.compile(r"\s*(0x[0-9a-fA-F]{40}|T[1-9A-HJ-NP-Za-km-z]{33})?\s*")
HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}: ?[!-~][ -~]{0,999}")
OUR_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie"}
LONGEST_URL = 1000
NUMBERS = ("1", "2")
KINDS = {Kind.EVM: "Ethereum and BNB Chain", Kind.TRON: "TRON"}
MOST_CODE = 64

bp = Blueprint("receiving", __name__, url_prefix="/admin/receiving")
bp.before_request(auth.admit)


@bp.get("")
def overview(refusal: Refusal | None = None) -> str:
    svc = services()
    return render_template(
        "admin/receiving/overview.html",
        standings=[receiving.standing(svc, network) for network in Network],
        kinds=KINDS,
        waiting=receiving.waiting(svc),
        people={person.id: person.email for person in svc.people.all()},
        described=receiving.described,
        nodes_of=nodes_of,
        wallets=[(kind, name, receiving.wallets_shown(svc, kind)) for kind, name in KINDS.items()],
        wallets_waiting=_wallets_waiting,
        screening=svc.screening.state() if svc.screening.is_used else None,
        again={kind for kind in KINDS if receiving.gives_again(svc, kind)},
        message=str(refusal) if refusal else "",
    )


@bp.get("/source/<kind>")
def source(kind: str, refusal: Refusal | None = None) -> str:
    svc, known = services(), _kind(kind)
    lines = request.form.get("text", "").splitlines() if refusal else []
    return render_template(
        "admin/receiving/source.html",
        kind=known,
        name=KINDS[known],
        standing=receiving.standing(svc, next(network for network in Network if network.facts.kind is known)),
        described=receiving.described,
        text=_shown_again(lines),
        **_shown_with(svc, refusal),
    )


@bp.post("/source/<kind>")
@rate_limits.proving
@refusals_shown_by(source)
def source_submit(kind: str) -> ResponseReturnValue:
    svc, known = services(), _kind(kind)
    _prove(svc)
    entry = receiving.set_source(svc, _me(svc), known, request.form.get("text", ""))
    network = next(network for network in Network if network.facts.kind is known)
    unasked = f" No node could be asked about {entry.unasked} of them." if entry.unasked else ""
    said = f"{_when(svc, entry)}{unasked}"
    return go(url_for("receiving.compare", network=network), said=said)


@bp.get("/nodes/<network>")
def nodes(network: str, refusal: Refusal | None = None) -> str:
    svc, known = services(), _network(network)
    there = _nodes_known(svc, known)
    shown = [node.url for node in there] + ["", ""]
    return render_template(
        "admin/receiving/nodes.html",
        network=known,
        urls={number: request.form.get(f"url{number}", url) for number, url in zip(NUMBERS, shown, strict=False)},
        has_header={number: bool(node.header) for number, node in zip(NUMBERS, there, strict=False)},
        **_shown_with(svc, refusal),
    )


@bp.post("/nodes/<network>")
@rate_limits.proving
@refusals_shown_by(nodes)
def nodes_submit(network: str) -> ResponseReturnValue:
    svc, known = services(), _network(network)
    _prove(svc)
    there = {node.url: node.header for node in _nodes_known(svc, known)}
    wanted = tuple(node for number in NUMBERS if (node := _node(svc, number, there)) is not None)
    if not wanted:
        raise Invalid("Please check the marked fields.", {"url1": "Please give the address of a node."})
    entry = receiving.set_nodes(svc, _me(svc), known, wanted)
    return go(url_for("receiving.overview"), said=_when(svc, entry))


@bp.get("/wallets/<kind>")
def wallets(kind: str, refusal: Refusal | None = None) -> str:
    svc, known = services(), _kind(kind)
    lines = request.form.get("addresses", "").splitlines() if refusal else receiving.wallets_shown(svc, known)
    try:
        waiting = svc.receiving.register(WALLETS[known]).waiting(svc.now())
    except CannotDecrypt:
        waiting = None
    return render_template(
        "admin/receiving/wallets.html",
        kind=known,
        kinds=KINDS,
        waiting=waiting,
        named=_shown_again(lines),
        **_shown_with(svc, refusal),
    )


@bp.post("/wallets/<kind>")
@rate_limits.proving
@refusals_shown_by(wallets)
def wallets_submit(kind: str) -> ResponseReturnValue:
    svc, known = services(), _kind(kind)
    _prove(svc)
    entry = receiving.set_wallets(svc, _me(svc), known, request.form.get("addresses", ""))
    return go(url_for("receiving.overview"), said=_when(svc, entry))


@bp.get("/compare/<network>")
def compare(network: str, refusal: Refusal | None = None) -> str:
    """The first addresses of what is in force and of what waits, each with its own confirmation."""
    svc, known = services(), _network(network)
    standing = receiving.standing(svc, known)
    compared = svc.receiving.compared(known) if not standing.trouble else frozenset()
    waiting = None
    if standing.waiting_source is not None:
        waiting = svc.receiving.register(SOURCES[known.facts.kind]).waiting(svc.now())
    return render_template(
        "admin/receiving/compare.html",
        network=known,
        standing=standing,
        waiting=waiting,
        compared=compared,
        described=receiving.described,
        first_addresses=receiving.first_addresses,
        most=receiving.FIRST,
        **_shown_with(svc, refusal),
    )


@bp.post("/compare/<network>")
@rate_limits.proving
@refusals_shown_by(compare)
def switch_on(network: str) -> ResponseReturnValue:
    svc, known = services(), _network(network)
    _prove(svc)
    if request.form.get("found") != "yes":
        raise Invalid("Please compare the addresses first.", {"found": "Please say that you have found them all."})
    receiving.switch_on(svc, _me(svc), known, request.form.get("source", ""))
    return go(url_for("receiving.overview"), said=f"Compared. {known.facts.name} is on wherever these addresses count.")


@bp.post("/off/<network>")
def switch_off(network: str) -> ResponseReturnValue:
    svc, known = services(), _network(network)
    receiving.switch_off(svc, _me(svc), known)
    said = f"{known.facts.name} is off. What was given out before is still looked after."
    return go(url_for("receiving.overview"), said=said)


@bp.get("/again/<kind>")
def again(kind: str, refusal: Refusal | None = None) -> str:
    """Whether addresses that have rested are given out again."""
    svc, known = services(), _kind(kind)
    return render_template(
        "admin/receiving/again.html",
        kind=known,
        name=KINDS[known],
        is_on=receiving.gives_again(svc, known),
        rest=REST.days,
        **_shown_with(svc, refusal),
    )


@bp.post("/again/<kind>")
@rate_limits.proving
@refusals_shown_by(again)
def again_submit(kind: str) -> ResponseReturnValue:
    svc, known = services(), _kind(kind)
    _prove(svc)
    is_on = request.form.get("again") == "yes"
    receiving.give_again(svc, _me(svc), known, is_on=is_on)
    told = "are given out again from now on" if is_on else "are not given out again any more"
    return go(url_for("receiving.overview"), said=f"Addresses for {KINDS[known]} that have rested {told}.")


@bp.post("/withdraw")
@refusals_shown_by(overview)
def withdraw() -> ResponseReturnValue:
    svc = services()
    try:
        place = place_of(Part(request.form.get("part", "")), request.form.get("of", ""))
    except ValueError:
        raise NotFound("There is no such change.") from None
    receiving.withdraw(svc, _me(svc), place, request.form.get("entry", ""))
    return go(url_for("receiving.overview"), said="Withdrawn. What was in force stays so.")


def _wallets_waiting(kind: Kind, entry: Entry) -> tuple[str, ...]:
    return receiving.shown_as(kind, wallets_of(entry))


def _shown_again(lines: Sequence[str]) -> str:
    return "\n".join(line if SHOWN_AGAIN.fullmatch(line) else "" for line in lines)


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise NotFound("There is no such kind of network.") from None


def _network(name: str) -> Network:
    try:
        return Network(name)
    except ValueError:
        raise NotFound("There is no such network.") from None


def _me(svc: Services) -> str:
    return auth.session_of(svc).person_id


def _needs_code(svc: Services) -> bool:
    """A recent password is asked for by the table of permissions. Whoever has a second step proves it again, too,
    unless the login with it was a moment ago."""
    session = auth.session_of(svc)
    return auth.here(svc).has_second_step and svc.now() - session.since >= FRESH


def _prove(svc: Services) -> None:
    if not _needs_code(svc):
        return
    code, me = request.form.get("code", "")[:MOST_CODE], auth.here(svc)
    if not code:
        raise Invalid("Please check the marked fields.", {"code": "Please give the code of your second step."})
    try:
        auth.guess(svc, lambda: authentication.use_code(svc, me.id, code))
    except Invalid as error:
        raise Invalid("Please check the marked fields.", {"code": str(error)}) from None


def _shown_with(svc: Services, refusal: Refusal | None) -> dict[str, object]:
    return {
        "errors": refusal.fields if isinstance(refusal, Invalid) else {},
        "message": str(refusal) if refusal else "",
        "needs_code": _needs_code(svc),
        "has_second_step": auth.here(svc).has_second_step,
    }


def _nodes_known(svc: Services, network: Network) -> tuple[NodeAddress, ...]:
    standing = receiving.standing(svc, network)
    return nodes_of(standing.waiting_nodes) if standing.waiting_nodes else standing.nodes


def _node(svc: Services, number: str, there: dict[str, str]) -> NodeAddress | None:
    """The node in these fields; None if they are empty. A header that is not given again stays, for the same address
    only: at another one it would be somebody else's to read."""
    url, header = request.form.get(f"url{number}", "").strip(), request.form.get(f"header{number}", "").strip()
    if not url:
        return None
    field = f"url{number}"
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid("Please check the marked fields.", {field: "This is no address of a node."})
    checked_host(svc, url, field=field, example="https://node.example.org/v3/…")
    if header and (not HEADER.fullmatch(header) or header.lower().startswith(tuple(f"{one}:" for one in OUR_HEADERS))):
        raise Invalid("Please check the marked fields.", {f"header{number}": "A header is one line: Name: value."})
    if not header and request.form.get(f"drop{number}") != "yes":
        header = there.get(url, "")
    return NodeAddress(url, header)


def _when(svc: Services, entry: Entry) -> str:
    if entry.in_force_at <= entry.made_at:
        return "Set. It counts at once, since nobody has paid here yet."
    at = moment_in_words(entry.in_force_at, svc.settings.owner_timezone)
    return f"Set. It counts from {at} on; until then it can be withdrawn."
