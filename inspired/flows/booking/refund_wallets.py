"""The wallets that the owner names: a transfer from any other one settles no refund."""

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind, Network
from inspired.services import Services

MOST = 20


def networks_of(kind: Kind) -> tuple[Network, ...]:
    return tuple(network for network in Network if network.facts.kind is kind)


def shown(svc: Services, kind: Kind) -> tuple[str, ...]:
    """As wallets show them; none if what is stored was not put there by us."""
    try:
        named = svc.refund_wallets.of(kind)
    except CannotDecrypt:
        return ()
    return tuple(chain_addresses.shown(networks_of(kind)[0], address) for address in named)


def name(svc: Services, kind: Kind, text: str) -> int:
    """The wallets in this text, one in a line, replace those named before; returns how many. Raises Invalid, which
    repeats nothing of the text: a secret may have been pasted by mistake."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST:
        raise Invalid(f"At most {MOST} wallets can be named.", {"addresses": f"are more than {MOST}"})
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(chain_addresses.parsed(networks_of(kind)[0], line))
        except Invalid as refusal:
            raise Invalid(f"Line {number}: {refusal}", {"addresses": f"line {number} is no address"}) from None
    wallets = tuple(dict.fromkeys(found))
    svc.refund_wallets.set(kind, wallets, svc.now())
    return len(wallets)
