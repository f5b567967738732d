"""What the owner receives on chain with: where addresses come from, the nodes to ask, which networks are on, and the
wallets that refunds are sent from.

Each place (the source and the wallets of one kind of network, the nodes of a network, its switch) has one sealed
register with all that was ever set there, and from when on it counts. So access to the database alone allows neither
reading it, nor putting another value in its place, nor bringing a change into force sooner. Each process refuses a
register that is older than one it has seen; `PaymentAddresses.sources` shows after a restart, too, that one was put
back.

Nothing here can spend. Every page asks what is set up, so each process keeps what it read for some seconds; while
MongoDB is away, that holds.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from bson import Binary
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.crypto import address_sources
from inspired.adapters.crypto.address_sources import Source
from inspired.adapters.crypto.vault import CannotDecrypt, Vault
from inspired.adapters.mongo.database import reaching, replaced
from inspired.adapters.mongo.documents import Document
from inspired.adapters.process import deadline
from inspired.domain.booking.receiving import Entry, Event, Part, Register
from inspired.domain.shared.errors import Busy, Conflict
from inspired.domain.shared.networks import Kind, Network

KEEP = 5.0  # seconds
PATIENCE = 0.1  # seconds a page waits to refresh what it has kept
OFF = ""
ON = "on"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
BY_COMMAND = "command line"


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a network's node is asked. `header`: one header that its provider wants, as "Name: value", or ""."""

    url: str = field(repr=False)
    header: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """All that is shown of it: a key of the owner's at the provider may stand in the rest."""
        return urlsplit(self.url).hostname or ""

    @property
    def headers(self) -> dict[str, str]:
        name, _, value = self.header.partition(":")
        return {name.strip(): value.strip()} if name else {}


@dataclass(frozen=True, slots=True)
class Notice:
    """What every owner is still to be told. `of`: the kind of network or the network."""

    id: str
    event: Event
    part: Part
    of: Kind | Network
    at: datetime
    by: str
    in_force_at: datetime


@dataclass(frozen=True, slots=True)
class _Unreadable:
    why: str


_read = lru_cache(maxsize=16)(address_sources.read)  # takes longer than all else here, and every page asks


@dataclass(frozen=True, slots=True)
class Place:
    """One register. `of`: the kind of network for a source and for wallets, else the network."""

    part: Part
    of: Kind | Network

    @property
    def id(self) -> str:
        return f"{self.part}:{self.of}"

    @property
    def sealed_for(self) -> str:
        """What its sealed value is bound to, so that it cannot be moved elsewhere."""
        return f"receiving/{self.id}"


def place_of(part: Part, name: str) -> Place:
    """ValueError if there is none."""
    return Place(part, Kind(name) if part in (Part.SOURCE, Part.WALLETS, Part.REUSE) else Network(name))


SOURCES = {kind: Place(Part.SOURCE, kind) for kind in Kind}
NODES = {network: Place(Part.NODES, network) for network in Network}
SWITCHES = {network: Place(Part.SWITCH, network) for network in Network}
WALLETS = {kind: Place(Part.WALLETS, kind) for kind in Kind}
REUSES = {kind: Place(Part.REUSE, kind) for kind in Kind}
# Where the release before registers kept the same, sealed for itself.
OLDER = {place: f"key:{kind}" for kind, place in SOURCES.items()}
OLDER |= {place: f"node:{network}" for network, place in NODES.items()}
PLACES = (*SOURCES.values(), *NODES.values(), *SWITCHES.values(), *WALLETS.values(), *REUSES.values())


class Receiving:
    """Reading raises CannotDecrypt if what is stored was not put there by us, or is older than what was seen."""

    def __init__(
        self, database: Database[Document], vault: Vault, *, keep: float = KEEP, is_sandbox: bool = True
    ) -> None:
        """`is_sandbox`: no real money comes. Elsewhere a source that everybody can spend from counts as none."""
        self._collection: Collection[Document] = database["receiving"]
        self._vault = vault
        self._keep = keep
        self._is_sandbox = is_sandbox
        self._known: Mapping[Place, Register | _Unreadable] | None = None
        self._newest: dict[Place, int] = {}
        self._read_again = 0.0

    # --- what is in force ---------------------------------------------------------------------------------------------

    def is_set_up(self, network: Network, now: datetime) -> bool:
        """True if addresses and a node can be read, and the owner has compared the addresses and switched it on."""
        try:
            return bool(self.nodes(network, now)) and self.is_on(network, now)
        except (CannotDecrypt, Busy):
            return False

    def source(self, kind: Kind, now: datetime) -> Source | None:
        """Where new addresses come from."""
        return self._source(kind, self.register(SOURCES[kind]).in_force(now))

    def source_called(self, kind: Kind, source_id: str, now: datetime) -> Source | None:
        """The source of an address given out before; None if there is none of this id that ever came into force."""
        return self._source(kind, self.register(SOURCES[kind]).once_in_force(source_id, now))

    def has_source(self, kind: Kind, source_id: str, now: datetime) -> bool:
        """True if a source of this id ever came into force."""
        return self.register(SOURCES[kind]).once_in_force(source_id, now) is not None

    def waiting_source(self, kind: Kind, now: datetime) -> Source | None:
        return self._source(kind, self.register(SOURCES[kind]).waiting(now))

    def nodes(self, network: Network, now: datetime) -> tuple[NodeAddress, ...]:
        """None, one or two; the first is asked first."""
        entry = self.register(NODES[network]).in_force(now)
        return () if entry is None else nodes_of(entry)

    def took_over(self, network: Network, now: datetime) -> Entry | None:
        """With which entry the node that is asked first came in another one's place; None if there never was
        another."""
        in_force = [entry for entry in self.register(NODES[network]).entries if entry.in_force_at <= now]
        changes = (after for before, after in pairwise(in_force) if nodes_of(before)[:1] != nodes_of(after)[:1])
        return next(iter(list(changes)[-1:]), None)

    def wallets(self, kind: Kind, now: datetime) -> tuple[str, ...]:
        """Those that refunds are sent from: 20 bytes each, as lower-case hex with 0x. A transfer from any other wallet
        settles none."""
        entry = self.register(WALLETS[kind]).in_force(now)
        return () if entry is None else wallets_of(entry)

    def is_on(self, network: Network, now: datetime) -> bool:
        """True if the owner has found the addresses of the source in force in the wallet."""
        source = self.source(network.facts.kind, now)
        return source is not None and source.id in self.compared(network)

    def gives_again(self, kind: Kind, now: datetime) -> bool:
        """True if the owner lets addresses that have rested be given out again. By default they are not."""
        entry = self.register(REUSES[kind]).in_force(now)
        return entry is not None and entry.value == ON

    def compared(self, network: Network) -> frozenset[str]:
        """Ids of the sources whose addresses were compared since the network was last switched off."""
        found: set[str] = set()
        for entry in self.register(SWITCHES[network]).entries:
            found = set() if entry.value == OFF else {*found, json.loads(entry.value)}
        return frozenset(found)

    def register(self, place: Place) -> Register:
        found = self._kept().get(place, Register())
        if isinstance(found, _Unreadable):
            raise CannotDecrypt(found.why)
        return found

    def read_again(self) -> None:
        """Forget what was kept."""
        self._known = None

    # --- changes ------------------------------------------------------------------------------------------------------

    def set_source(
        self, kind: Kind, text: str, now: datetime, *, by: str, in_force_at: datetime, unasked: int = 0
    ) -> Source:
        """Raises Invalid if it is neither an account key nor a list, Conflict while another change waits or if it is in
        force already."""
        value = address_sources.in_one_spelling(address_sources.read(kind, text), text)
        earlier = {entry.value: entry.id for entry in self._to_be_changed(SOURCES[kind]).entries}
        # What was there before has its id again, so that its numbering goes on.
        source_id = earlier.get(value) or (
            "" if value in earlier else self._vault.fingerprint(f"receiving/{kind}", value)
        )
        entry = Entry(source_id, value, now, by, in_force_at, unasked)
        self._change(SOURCES[kind], lambda register: register.set(entry), Event.CHANGED, entry, now, by)
        return Source(source_id, kind, value, _read(kind, value))

    def set_nodes(
        self, network: Network, nodes: tuple[NodeAddress, ...], now: datetime, *, by: str, in_force_at: datetime
    ) -> None:
        """Raises Conflict as `set_source` does."""
        version = self._to_be_changed(NODES[network]).version + 1
        value = json.dumps([[node.url, node.header] for node in nodes])
        entry = Entry(f"{version}", value, now, by, in_force_at)
        self._change(NODES[network], lambda register: register.set(entry), Event.CHANGED, entry, now, by)

    def set_wallets(self, kind: Kind, wallets: Sequence[str], now: datetime, *, by: str, in_force_at: datetime) -> None:
        """Raises Conflict as `set_source` does."""
        version = self._to_be_changed(WALLETS[kind]).version + 1
        entry = Entry(f"{version}", json.dumps(list(wallets)), now, by, in_force_at)
        self._change(WALLETS[kind], lambda register: register.set(entry), Event.CHANGED, entry, now, by)

    def withdraw(self, place: Place, entry_id: str, now: datetime, *, by: str) -> None:
        """Raises NotFound if it does not wait any more."""
        waiting = self._to_be_changed(place).waiting(now)
        entry = waiting or Entry(entry_id, "", now, by, now)
        self._change(place, lambda register: register.withdrawn(entry_id, now), Event.WITHDRAWN, entry, now, by)

    def switch_on(self, network: Network, source_id: str, now: datetime, *, by: str) -> None:
        """The owner has found the first addresses of this source in the wallet."""
        entry = Entry(f"on/{source_id}", json.dumps(source_id), now, by, now)
        self._change(SWITCHES[network], lambda register: register.set(entry), Event.SWITCHED_ON, entry, now, by)

    def switch_off(self, network: Network, now: datetime, *, by: str) -> None:
        entry = Entry("off", OFF, now, by, now)
        self._change(SWITCHES[network], lambda register: register.set(entry), Event.SWITCHED_OFF, entry, now, by)

    def give_again(self, kind: Kind, now: datetime, *, by: str, is_on: bool) -> None:
        """From now on: it directs money to nobody else, so nothing is gained by waiting. Raises Unchanged."""
        entry = Entry("again", ON if is_on else OFF, now, by, now)
        event = Event.SWITCHED_ON if is_on else Event.SWITCHED_OFF
        self._change(REUSES[kind], lambda register: register.set(entry), event, entry, now, by)

    # --- what owners are to be told -----------------------------------------------------------------------------------

    def untold(self) -> list[Notice]:
        with reaching():
            found = list(self._collection.find({"untold": {"$nin": [None, []]}}, {"untold": 1}))
        of = {place.id: place for place in PLACES}
        return [
            Notice(one["id"], Event(one["event"]), place.part, place.of, one["at"], one["by"], one["in_force_at"])
            for document in found
            for place in (of[document["_id"]],)
            for one in document["untold"]
        ]

    def told(self, notice: Notice) -> None:
        with reaching():
            self._collection.update_one(
                {"_id": Place(notice.part, notice.of).id}, {"$pull": {"untold": {"id": notice.id}}}
            )

    # --- the collection -----------------------------------------------------------------------------------------------

    def _source(self, kind: Kind, entry: Entry | None) -> Source | None:
        if entry is None:
            return None
        source = Source(entry.id, kind, entry.value, _read(kind, entry.value))
        return source if self._is_sandbox or not source.is_everybodys else None

    def _to_be_changed(self, place: Place) -> Register:
        try:
            return self._fresh(place)
        except CannotDecrypt:
            raise Conflict(
                "What is stored here cannot be read, so it cannot be changed either. The page about receiving on chain "
                "in the handbook says what to do."
            ) from None

    def _fresh(self, place: Place) -> Register:
        self._known = None
        return self.register(place)

    def _kept(self) -> Mapping[Place, Register | _Unreadable]:
        clock, known = time.monotonic(), self._known
        if known is None or clock >= self._read_again:
            self._read_again = clock + self._keep  # one thread reads; others use what is known meanwhile
            try:
                with deadline.within(PATIENCE) if known is not None else nullcontext(), reaching():
                    documents = {document["_id"]: document for document in self._collection.find()}
                self._known = known = {place: self._opened(place, documents) for place in PLACES}
            except Busy:
                if known is None:
                    raise
        return known

    def _opened(self, place: Place, documents: Mapping[str, Document]) -> Register | _Unreadable:
        try:
            register = self._register_in(place, documents)
        except CannotDecrypt as error:
            return _Unreadable(str(error))
        if register.version < self._newest.get(place, 0):
            return _Unreadable("an older value stands in its place")
        self._newest[place] = register.version
        return register

    def _register_in(self, place: Place, documents: Mapping[str, Document]) -> Register:
        if (found := documents.get(place.id)) is not None:
            text = self._vault.open(bytes(found["key"]), place.sealed_for, "value", bytes(found["value"]))
            register = _register_of(json.loads(text))
            if register.version != found["version"]:
                raise CannotDecrypt("its version was altered")
            return register
        if (older := documents.get(OLDER.get(place, ""))) is not None:
            name = OLDER[place]
            text = self._vault.open(bytes(older["key"]), f"receiving/{name}", "value", bytes(older["value"]))
            if place.part is Part.NODES:
                text = json.dumps([list(text.partition("\n")[::2])])
            return Register(0, (Entry("", text, LONG_AGO, "", LONG_AGO),))
        return Register()

    def _change(
        self,
        place: Place,
        decide: Callable[[Register], Register],
        event: Event,
        entry: Entry,
        now: datetime,
        by: str,
    ) -> None:
        """Raises Conflict if somebody else was faster, and what `decide` raises."""
        after = decide(before := self._to_be_changed(place))
        text = json.dumps({"version": after.version, "entries": [_entry_out(one) for one in after.entries]})
        key = self._vault.new_key(place.sealed_for)
        with reaching():
            known = self._collection.find_one({"_id": place.id}, {"untold": 1})
        notice = {"id": f"{after.version}", "event": str(event), "at": now, "by": by, "in_force_at": entry.in_force_at}
        document = {
            "_id": place.id,
            "version": after.version,
            "key": Binary(key),
            "value": Binary(self._vault.seal(key, place.sealed_for, "value", text)),
            # The command sets up the stand-in's chains only, and whoever runs it knows.
            "untold": [*(known or {}).get("untold", ()), *([notice] if by != BY_COMMAND else [])],
        }
        saved = replaced(self._collection, document, before.version)
        self._known = None
        if not saved:
            raise Conflict("Somebody changed this meanwhile. Please look again.")
        self._newest[place] = after.version
        if place in OLDER:
            with reaching():
                self._collection.delete_one({"_id": OLDER[place]})  # it is in the register now


def nodes_of(entry: Entry) -> tuple[NodeAddress, ...]:
    return tuple(NodeAddress(url, header) for url, header in json.loads(entry.value))


def wallets_of(entry: Entry) -> tuple[str, ...]:
    return tuple(json.loads(entry.value))


def _entry_out(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"made_at": entry.made_at.isoformat(), "in_force_at": entry.in_force_at.isoformat()}


def _register_of(found: dict[str, Any]) -> Register:
    entries = (
        replace(
            Entry(**one),
            made_at=datetime.fromisoformat(one["made_at"]),
            in_force_at=datetime.fromisoformat(one["in_force_at"]),
        )
        for one in found["entries"]
    )
    return Register(found["version"], tuple(entries))
