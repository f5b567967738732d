"""Links into block explorers, which everybody can read. They are only shown; this site never asks an explorer."""

from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared.networks import Kind
from inspired.settings import Settings


def transaction_url(settings: Settings, rail: RailId, tx_hash: str) -> str:
    """ "" where the rail is no network, nothing is known yet, or the owner wants no links. TRON's explorers write
    hashes without 0x."""
    if (base := _base(settings, rail)) and tx_hash:
        return f"{base}/transaction/{tx_hash.removeprefix('0x')}" if _is_tron(rail) else f"{base}/tx/{tx_hash}"
    return ""


def address_url(settings: Settings, rail: RailId, address: str) -> str:
    """The address as it is shown."""
    base = _base(settings, rail)
    return f"{base}/address/{address}" if base and address else ""


def _base(settings: Settings, rail: RailId) -> str:
    network = CAPABILITIES[rail].network
    return settings.explorer_of(network) if network is not None else ""


def _is_tron(rail: RailId) -> bool:
    network = CAPABILITIES[rail].network
    return network is not None and network.facts.kind is Kind.TRON
