"""Where money on chain goes, as the owner sees and sets it.

A change is written to the audit log before it is made, told to every owner, and counts after a day; at once only as
long as nobody has ever paid here.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from inspired.adapters.crypto import address_sources, chain_addresses
from inspired.adapters.crypto.account_keys import AccountKey
from inspired.adapters.crypto.address_sources import AddressList, Source
from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.receiving import BY_COMMAND, NODES, SOURCES, WALLETS, NodeAddress, Place
from inspired.adapters.process import deadline
from inspired.adapters.providers.chain_node import ChainNode
from inspired.domain.booking.receiving import Entry, Stock, in_force_at
from inspired.domain.shared.errors import Conflict, Invalid, Unchanged, UpstreamError
from inspired.domain.shared.networks import Head, Kind, Network
from inspired.domain.shared.timezones import moment_in_words
from inspired.flows.shared import owner_notifications
from inspired.services import Services

FIRST = 5  # addresses to be compared with the wallet
NODE_SECONDS = 4.0
CHECK_SECONDS = 10.0  # for all addresses of a list; a request leaves less
AT_ONCE = 8
MOST_WALLETS = 20
SHORT = 6  # the last characters by which an owner knows a key


@dataclass(frozen=True, slots=True)
class Standing:
    """One network, for the owner's page. `trouble`: why what is stored cannot be used, or "". `stock`: None if it
    cannot be told. `unasked`: addresses in force of which no node could tell whether a contract lives there. `newest`:
    the last address that was given out of the source in force, as wallets show it, or ""."""

    network: Network
    source: Source | None
    waiting_source: Source | None
    nodes: tuple[NodeAddress, ...]
    waiting_nodes: Entry | None
    is_on: bool
    is_compared: bool
    stock: Stock | None
    trouble: str
    unasked: int = 0
    newest: str = ""

    @property
    def state(self) -> str:
        """`not set up`, `checked` (there, and not yet compared or switched off) or `on`."""
        if self.trouble or self.source is None or not self.nodes:
            return "not set up"
        return "on" if self.is_on else "checked"


def standing(svc: Services, network: Network) -> Standing:
    now, kind = svc.now(), network.facts.kind
    try:
        source, waiting = svc.receiving.source(kind, now), svc.receiving.waiting_source(kind, now)
        nodes, is_on = svc.receiving.nodes(network, now), svc.receiving.is_on(network, now)
        waiting_nodes = svc.receiving.register(NODES[network]).waiting(now)
        compared = svc.receiving.compared(network)
    except CannotDecrypt as error:
        return Standing(network, None, None, (), None, False, False, None, str(error))
    stock, trouble = None, ""
    if source is not None:
        try:
            stock = svc.chains[network].stock()
        except UpstreamError as error:
            trouble = error.message
    in_force = svc.receiving.register(SOURCES[kind]).in_force(now)
    return Standing(
        network,
        source,
        waiting,
        nodes,
        waiting_nodes,
        is_on,
        is_compared=waiting is not None and waiting.id in compared,
        stock=stock,
        trouble=trouble,
        unasked=in_force.unasked if in_force else 0,
        newest=_newest(svc, network, source),
    )


def _newest(svc: Services, network: Network, source: Source | None) -> str:
    if source is None or (number := svc.payment_addresses.given_of(source.kind, source.id).next_number) == 0:
        return ""
    return chain_addresses.shown(network, source.address(number - 1))


def waiting(svc: Services) -> list[tuple[Place, Entry]]:
    """Changes that do not count yet. What cannot be read has none."""
    found = []
    for place in (*SOURCES.values(), *NODES.values(), *WALLETS.values()):
        with suppress(CannotDecrypt):
            if (entry := svc.receiving.register(place).waiting(svc.now())) is not None:
                found.append((place, entry))
    return found


def described(source: Source) -> str:
    """What an owner knows it by; a key itself is shown to nobody."""
    if isinstance(source.given_by, AccountKey):
        return f"account key …{source.text[-SHORT:]} (account {source.given_by.account})"
    return f"list of {source.size} address{'es' if source.size != 1 else ''}"


def first_addresses(source: Source, network: Network) -> list[str]:
    most = FIRST if source.size is None else min(FIRST, source.size)
    return [chain_addresses.shown(network, source.address(index)) for index in range(most)]


# --- changes ----------------------------------------------------------------------------------------------------------


def set_source(svc: Services, who: str, kind: Kind, text: str) -> Entry:
    """An account key or a list. Raises Invalid, Conflict, Busy; no error repeats anything of the text."""
    given_by = address_sources.read(kind, text)
    if not svc.settings.is_sandbox and Source("", kind, text, given_by).is_everybodys:
        raise Invalid(
            "These addresses come from a recovery phrase that everybody knows, so anybody could spend the money."
        )
    unasked = 0
    if isinstance(given_by, AddressList):
        _refuse_given_out(svc, given_by)
        unasked = _refuse_contracts(svc, given_by)
    now = svc.now()
    from_then = in_force_at(now, was_ever_paid=svc.bookings.was_ever_paid())
    what = "an account key" if isinstance(given_by, AccountKey) else f"a list of {len(given_by.addresses)} addresses"
    svc.audit.add(now, who, "receiving_source_set", str(kind), f"{what}, in force at {from_then:%Y-%m-%d %H:%M} UTC")
    svc.receiving.set_source(kind, text, now, by=who, in_force_at=from_then, unasked=unasked)
    _tell_soon(svc)
    return svc.receiving.register(SOURCES[kind]).entries[-1]


def set_nodes(svc: Services, who: str, network: Network, nodes: tuple[NodeAddress, ...]) -> Entry:
    """One node or two of different providers, each asked for its chain and its newest block first. Raises Invalid,
    Conflict, Busy."""
    if svc.settings.is_sandbox and any(node.host not in svc.settings.stand_in_hosts for node in nodes):
        raise Invalid(
            "This site is a sandbox, so it asks the stand-in’s chains only: real money must not come before everything "
            "was rehearsed."
        )
    if len({node.host for node in nodes}) < len(nodes):
        raise Invalid("Two nodes of the same host are one: please name one of another provider, or leave it out.")
    seconds = deadline.left(NODE_SECONDS) / len(nodes)
    for number, node in enumerate(nodes, 1):
        try:
            head_of(svc, network, node, seconds)
        except UpstreamError as error:
            raise Invalid(f"Node {number} cannot be used: {error.message}.") from None
    now = svc.now()
    from_then = in_force_at(now, was_ever_paid=svc.bookings.was_ever_paid())
    hosts = " and ".join(node.host for node in nodes)
    svc.audit.add(now, who, "receiving_nodes_set", str(network), f"{hosts}, in force at {from_then:%Y-%m-%d %H:%M} UTC")
    svc.receiving.set_nodes(network, nodes, now, by=who, in_force_at=from_then)
    _tell_soon(svc)
    return svc.receiving.register(NODES[network]).entries[-1]


def head_of(svc: Services, network: Network, node: NodeAddress, seconds: float) -> Head:
    """Raises UpstreamError if it is of another chain, behind, or does not answer."""
    chain = ChainNode(svc.outside, network=network, url=node.url, headers=node.headers, now=svc.now)
    return chain.head(seconds)


def set_wallets(svc: Services, who: str, kind: Kind, text: str) -> Entry:
    """The wallets in this text, one in a line, that refunds are sent from; none of it names none. Raises Invalid, which
    repeats nothing of the text: a secret may have been pasted by mistake; Conflict."""
    wallets = _wallets_in(kind, text)
    now = svc.now()
    from_then = in_force_at(now, was_ever_paid=svc.bookings.was_ever_paid())
    what = f"{len(wallets)} named, in force at {from_then:%Y-%m-%d %H:%M} UTC"
    svc.audit.add(now, who, "refund_wallets_named", str(kind), what)
    svc.receiving.set_wallets(kind, wallets, now, by=who, in_force_at=from_then)
    _tell_soon(svc)
    return svc.receiving.register(WALLETS[kind]).entries[-1]


def _wallets_in(kind: Kind, text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_WALLETS:
        raise Invalid(f"At most {MOST_WALLETS} wallets can be named.", {"addresses": f"are more than {MOST_WALLETS}"})
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(chain_addresses.parsed(_one_of(kind), line))
        except Invalid as refusal:
            raise Invalid(f"Line {number}: {refusal}", {"addresses": f"line {number} is no address"}) from None
    return tuple(dict.fromkeys(found))


def wallets_shown(svc: Services, kind: Kind) -> tuple[str, ...]:
    """As wallets show them; none if what is stored cannot be read."""
    try:
        return shown_as(kind, svc.receiving.wallets(kind, svc.now()))
    except CannotDecrypt:
        return ()


def wallets_troubled(svc: Services) -> list[str]:
    """Why what is stored of wallets cannot be used, in words; none if it can."""
    found = []
    for kind, place in WALLETS.items():
        try:
            svc.receiving.register(place)
        except CannotDecrypt as error:
            found.append(f"wallets for {kind}: {error}")
    return found


def shown_as(kind: Kind, addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(chain_addresses.shown(_one_of(kind), address) for address in addresses)


def _one_of(kind: Kind) -> Network:
    """Networks of one kind write addresses alike."""
    return next(network for network in Network if network.facts.kind is kind)


def withdraw(svc: Services, who: str, place: Place, entry_id: str) -> None:
    """Raises NotFound if it does not wait any more."""
    now = svc.now()
    svc.audit.add(now, who, "receiving_withdrawn", place.id)
    svc.receiving.withdraw(place, entry_id, now, by=who)
    _tell_soon(svc)


def switch_on(svc: Services, who: str, network: Network, source_id: str) -> None:
    """The owner has found the first addresses of this source in the wallet. Raises Conflict if it is neither the one in
    force nor the one that waits."""
    now, kind = svc.now(), network.facts.kind
    known = {one.id for one in (svc.receiving.source(kind, now), svc.receiving.waiting_source(kind, now)) if one}
    if source_id not in known:
        raise Conflict("The addresses were changed meanwhile. Please compare them again.")
    svc.audit.add(now, who, "receiving_on", str(network))
    svc.receiving.switch_on(network, source_id, now, by=who)
    _tell_soon(svc)


def switch_off(svc: Services, who: str, network: Network) -> None:
    now = svc.now()
    svc.audit.add(now, who, "receiving_off", str(network))
    svc.receiving.switch_off(network, now, by=who)
    _tell_soon(svc)


def gives_again(svc: Services, kind: Kind) -> bool:
    """True if addresses that have rested are given out again."""
    try:
        return svc.receiving.gives_again(kind, svc.now())
    except CannotDecrypt:
        return False


def give_again(svc: Services, who: str, kind: Kind, *, is_on: bool) -> None:
    """Let addresses that have rested be given out again, or not any more. Raises Unchanged, Conflict.

    It counts at once: only addresses of the owner's own wallet are given out again, so nobody can gain by it.
    """
    if gives_again(svc, kind) is is_on:
        raise Unchanged("This is what is in force already. Nothing was changed.")
    now = svc.now()
    svc.audit.add(now, who, "receiving_again_on" if is_on else "receiving_again_off", str(kind))
    svc.receiving.give_again(kind, now, by=who, is_on=is_on)
    for network in Network:
        svc.chains[network].count_again()
    _tell_soon(svc)


def receive_at_once(svc: Services, kind: Kind, text: str, nodes: Mapping[Network, NodeAddress]) -> None:
    """Everything set and on, without the day in between: for the stand-in's chains only. What is so already stays."""
    now = svc.now()
    with suppress(Unchanged):
        svc.receiving.set_source(kind, text, now, by=BY_COMMAND, in_force_at=now)
    source = svc.receiving.source(kind, now)
    for network, node in nodes.items():
        with suppress(Unchanged):
            svc.receiving.set_nodes(network, (node,), now, by=BY_COMMAND, in_force_at=now)
        if source is not None and not svc.receiving.is_on(network, now):
            svc.receiving.switch_on(network, source.id, now, by=BY_COMMAND)


def name_wallets_at_once(svc: Services, kind: Kind, wallets: Sequence[str]) -> None:
    """The same for wallets that refunds are sent from."""
    with suppress(Unchanged):
        svc.receiving.set_wallets(kind, wallets, svc.now(), by=BY_COMMAND, in_force_at=svc.now())


# --- telling the owners -----------------------------------------------------------------------------------------------


def tell_owed(svc: Services) -> None:
    """Send every owner what was changed. Raises UpstreamError to be repeated; a mail that goes out twice is known by
    its id."""
    people, zone = {person.id: person.email for person in svc.people.all()}, svc.settings.owner_timezone
    for notice in svc.receiving.untold():
        name = notice.of.facts.name if isinstance(notice.of, Network) else str(notice.of)
        owner_notifications.every_owner(
            svc,
            "receiving",
            f"{notice.part}/{notice.of}/{notice.id}",
            event=notice.event,
            part=notice.part,
            name=name,
            who=people.get(notice.by, notice.by),
            at=moment_in_words(notice.at, zone),
            in_force_at=moment_in_words(notice.in_force_at, zone) if notice.in_force_at > notice.at else "",
            admin_url=f"{svc.settings.site_url}/admin/receiving",
        )
        svc.receiving.told(notice)


def sweep(svc: Services) -> None:
    if svc.receiving.untold():
        _tell_soon(svc)


def _tell_soon(svc: Services) -> None:
    svc.queue.enqueue_mail("tell_of_receiving")


# --- checks of a list -------------------------------------------------------------------------------------------------


def _refuse_given_out(svc: Services, given_by: AddressList) -> None:
    used = svc.payment_addresses.among(given_by.kind, given_by.addresses)
    if used:
        first = [number for number, address in enumerate(given_by.addresses, 1) if address in used]
        raise Invalid(
            f"{_numbers(first)} of your list was given out to a customer before. Each is given out once only: please "
            "leave these out."
        )


def _refuse_contracts(svc: Services, given_by: AddressList) -> int:
    """How many could not be checked. TRON's need no check: it is the EVM networks where an address of a wallet on one
    may be a contract on the other."""
    if given_by.kind is not Kind.EVM:
        return 0
    nodes = {
        network: node
        for network in Network
        if network.facts.is_evm and (node := next(iter(svc.receiving.nodes(network, svc.now())), None)) is not None
    }
    if not nodes:
        return len(given_by.addresses)
    is_contract = _asked(svc, nodes, given_by.addresses)
    found = [number for number, address in enumerate(given_by.addresses, 1) if True in is_contract[address]]
    if found:
        raise Invalid(
            f"A contract lives at {_numbers(found).lower()} of your list. What is sent there may be lost: please list "
            "addresses of a wallet only."
        )
    return sum(None in answers for answers in is_contract.values())


def _asked(
    svc: Services, nodes: Mapping[Network, NodeAddress], addresses: Sequence[str]
) -> Mapping[str, set[bool | None]]:
    """By address, whether a contract lives there, of each network; None where it could not be asked in time."""
    end = time.monotonic() + deadline.left(CHECK_SECONDS)
    chains = {
        network: ChainNode(svc.outside, network=network, url=node.url, headers=node.headers, now=svc.now)
        for network, node in nodes.items()
    }

    def ask(of: tuple[Network, str]) -> bool | None:
        network, address = of
        left = end - time.monotonic()
        try:
            return chains[network].has_code(address, seconds=left) if left > 0 else None
        except UpstreamError:
            return None

    pairs = [(network, address) for address in addresses for network in nodes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, pairs))
    found: dict[str, set[bool | None]] = {address: set() for address in addresses}
    for (_, address), answer in zip(pairs, answers, strict=True):
        found[address].add(answer)
    return found


def _numbers(numbers: list[int]) -> str:
    """ "Address 3", "Addresses 3, 4 and 12 more"."""
    first = ", ".join(str(number) for number in numbers[:FIRST])
    more = f" and {len(numbers) - FIRST} more" if len(numbers) > FIRST else ""
    return f"Address{'es' if len(numbers) > 1 else ''} {first}{more}"
