"""Where money goes: read back as it was given, in clear nowhere, refused if altered, in force when it was said."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from bson import Binary
from pymongo.database import Database

from inspired.adapters.crypto.chain_addresses import parsed, shown
from inspired.adapters.crypto.vault import CannotDecrypt, Vault
from inspired.adapters.mongo.receiving import NODES, SOURCES, NodeAddress, Notice, Receiving, place_of
from inspired.domain.booking.receiving import Event, Part
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Unchanged
from inspired.domain.shared.networks import Kind, Network
from tests.adapters.crypto.test_account_keys import ADDRESSES_EVM, ADDRESSES_TRON, WORDS, XPUB_EVM, XPUB_TRON, ZPUB
from tests.factories import MINUTE, NOW
from tests.receiving import give_node, give_source, receive

NODE = NodeAddress("https://node.example/v3/a-key-of-the-owner", "x-api-key: another-key-of-the-owner")
ELSEWHERE = NodeAddress("https://elsewhere.example/")
HOUR = 60 * MINUTE
LIST_EVM = "0x8C8d35429F74ec245F8Ef2f4Fd1e551cFF97d650"
EVM_0, TRON_0 = ADDRESSES_EVM[0].lower(), parsed(Network.TRC20, ADDRESSES_TRON[0])
PRIVATE_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


def key_of(letter: bytes) -> str:
    return base64.b64encode(letter * 32).decode()


def a_vault(keys: str = "v1:" + key_of(b"e")) -> Vault:
    return Vault(keys, key_of(b"i"))


@pytest.fixture
def receiving(database: Database) -> Receiving:
    return Receiving(database, a_vault())


def stored(database: Database) -> list[dict[str, Any]]:
    return list(database["receiving"].find())


def flipped(value: bytes, place: int) -> Binary:
    altered = bytearray(value)
    altered[place] ^= 1
    return Binary(bytes(altered))


def seal_as_before(database: Database, kind: Kind, text: str) -> None:
    """As the release before registers stored an account key."""
    vault, name = a_vault(), f"key:{kind}"
    key = vault.new_key(f"receiving/{name}")
    value = vault.seal(key, f"receiving/{name}", "value", text)
    database["receiving"].replace_one(
        {"_id": name}, {"key": Binary(key), "value": Binary(value), "since": NOW}, upsert=True
    )


def first_of(receiving: Receiving, kind: Kind, now: datetime = NOW) -> str | None:
    source = receiving.source(kind, now)
    return source and source.address(0)


# --- read back ------------------------------------------------------------------------------------------------------


def test_until_the_owner_gives_something_there_is_nothing(receiving: Receiving):
    assert [receiving.source(kind, NOW) for kind in Kind] == [None, None]
    assert [receiving.nodes(network, NOW) for network in Network] == [(), (), ()]
    assert [receiving.is_set_up(network, NOW) for network in Network] == [False, False, False]


def test_sources_and_nodes_are_read_back_each_by_its_own_name(database: Database, receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    give_source(receiving, Kind.TRON, f"  {XPUB_TRON}\n", NOW)
    give_node(receiving, Network.TRC20, NODE, NOW)
    receiving.set_nodes(Network.BEP20, (NODE, ELSEWHERE), NOW, by="owner", in_force_at=NOW)

    other = Receiving(database, a_vault())

    assert (first_of(other, Kind.EVM), first_of(other, Kind.TRON)) == (EVM_0, TRON_0)
    assert [other.nodes(network, NOW) for network in Network] == [(NODE,), (NODE, ELSEWHERE), ()]


def test_a_list_is_read_back_in_its_order(database: Database, receiving: Receiving):
    give_source(receiving, Kind.TRON, f"{ADDRESSES_TRON[3]}\n\n {ADDRESSES_TRON[1]} \n", NOW)

    source = Receiving(database, a_vault()).source(Kind.TRON, NOW)

    assert source is not None
    assert [shown(Network.TRC20, source.address(number)) for number in (0, 1)] == [ADDRESSES_TRON[3], ADDRESSES_TRON[1]]
    assert source.size == 2
    with pytest.raises(ValueError, match="no address of this number"):
        source.address(2)


def test_what_the_release_before_stored_is_still_read_and_becomes_part_of_the_register(
    database: Database, receiving: Receiving
):
    seal_as_before(database, Kind.EVM, XPUB_EVM)
    before = receiving.source(Kind.EVM, NOW)

    new = give_source(Receiving(database, a_vault()), Kind.EVM, LIST_EVM, NOW)
    after = Receiving(database, a_vault())

    assert before is not None
    assert (before.id, before.address(0)) == ("", EVM_0)
    assert first_of(after, Kind.EVM) == LIST_EVM.lower()
    assert [one and one.address(0) for one in (after.source_called(Kind.EVM, name, NOW) for name in ("", new))] == [
        EVM_0,
        LIST_EVM.lower(),
    ]
    assert [one["_id"] for one in stored(database)] == ["source:EVM"]


def test_after_the_vault_has_a_new_key_what_the_old_one_sealed_is_still_read(database: Database, receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)

    rotated = Receiving(database, a_vault(f"v2:{key_of(b'f')},v1:{key_of(b'e')}"))

    assert first_of(rotated, Kind.EVM) == EVM_0


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_change_comes_into_force_at_its_moment_and_not_before(database: Database, receiving: Receiving):
    old = give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    new = receiving.set_source(Kind.EVM, LIST_EVM, NOW, by="owner", in_force_at=NOW + 24 * HOUR)
    fresh = Receiving(database, a_vault())

    for now, there, named in (
        (NOW, EVM_0, None),
        (NOW + 24 * HOUR - MINUTE, EVM_0, None),
        (NOW + 24 * HOUR, LIST_EVM.lower(), LIST_EVM.lower()),
    ):
        found = fresh.source_called(Kind.EVM, new.id, now)
        assert (first_of(fresh, Kind.EVM, now), found and found.address(0)) == (there, named)
    assert fresh.waiting_source(Kind.EVM, NOW) == new
    assert fresh.waiting_source(Kind.EVM, NOW + 24 * HOUR) is None
    was = fresh.source_called(Kind.EVM, old, NOW + 48 * HOUR)
    assert was is not None
    assert was.address(0) == EVM_0


def test_a_change_that_waits_can_be_withdrawn_and_then_never_counts(database: Database, receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    new = receiving.set_source(Kind.EVM, LIST_EVM, NOW, by="owner", in_force_at=NOW + 24 * HOUR)

    receiving.withdraw(SOURCES[Kind.EVM], new.id, NOW + HOUR, by="other")

    fresh = Receiving(database, a_vault())
    assert first_of(fresh, Kind.EVM, NOW + 48 * HOUR) == EVM_0
    assert fresh.source_called(Kind.EVM, new.id, NOW + 48 * HOUR) is None
    assert LIST_EVM not in repr(fresh.register(SOURCES[Kind.EVM]))


def test_what_is_in_force_is_never_withdrawn(receiving: Receiving):
    source = give_source(receiving, Kind.EVM, XPUB_EVM, NOW)

    with pytest.raises(NotFound):
        receiving.withdraw(SOURCES[Kind.EVM], source, NOW, by="owner")

    assert first_of(receiving, Kind.EVM) == EVM_0


def test_while_a_change_waits_there_is_no_second_one_and_the_same_again_is_none(receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    with pytest.raises(Unchanged):
        receiving.set_source(Kind.EVM, XPUB_EVM, NOW, by="owner", in_force_at=NOW)
    receiving.set_source(Kind.EVM, LIST_EVM, NOW, by="owner", in_force_at=NOW + 24 * HOUR)

    with pytest.raises(Conflict, match="waiting already"):
        receiving.set_source(Kind.EVM, LIST_EVM.lower(), NOW, by="owner", in_force_at=NOW)


def test_a_source_that_comes_back_has_its_id_again_so_that_its_numbers_go_on(receiving: Receiving):
    first = give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    second = give_source(receiving, Kind.EVM, LIST_EVM, NOW)

    assert (give_source(receiving, Kind.EVM, XPUB_EVM, NOW), first != second) == (first, True)


def test_of_many_who_change_at_once_each_has_changed_it_or_is_told(database: Database):
    def change(number: int) -> bool:
        try:
            text = f"0x{number + 1:040x}"
            Receiving(database, a_vault()).set_source(Kind.EVM, text, NOW, by="owner", in_force_at=NOW)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(change, range(16)))

    register = Receiving(database, a_vault()).register(SOURCES[Kind.EVM])
    assert sum(done) == register.version == len(register.entries) >= 1


def test_every_change_is_to_be_told_until_it_was(receiving: Receiving):
    source = receiving.set_source(Kind.TRON, XPUB_TRON, NOW, by="ann", in_force_at=NOW + 24 * HOUR)
    receiving.withdraw(SOURCES[Kind.TRON], source.id, NOW + HOUR, by="ben")

    notices = receiving.untold()
    receiving.told(notices[0])

    assert notices == [
        Notice("1", Event.CHANGED, Part.SOURCE, Kind.TRON, NOW, "ann", NOW + 24 * HOUR),
        Notice("2", Event.WITHDRAWN, Part.SOURCE, Kind.TRON, NOW + HOUR, "ben", NOW + 24 * HOUR),
    ]
    assert receiving.untold() == notices[1:]


# --- switched on ----------------------------------------------------------------------------------------------------


def test_a_network_is_on_only_for_the_source_that_was_compared(receiving: Receiving):
    receive(receiving, Kind.TRON, XPUB_TRON, {Network.TRC20: NODE}, NOW)
    first = receiving.is_on(Network.TRC20, NOW)

    new = give_source(receiving, Kind.TRON, ADDRESSES_TRON[2], NOW)
    after_a_change = receiving.is_on(Network.TRC20, NOW)
    receiving.switch_on(Network.TRC20, new, NOW, by="owner")
    compared = receiving.is_on(Network.TRC20, NOW)
    receiving.switch_off(Network.TRC20, NOW, by="owner")

    assert (first, after_a_change, compared) == (True, False, True)
    assert receiving.is_on(Network.TRC20, NOW) is False
    assert receiving.compared(Network.TRC20) == frozenset()


def test_one_network_of_a_kind_is_on_without_the_other(receiving: Receiving):
    receive(receiving, Kind.EVM, XPUB_EVM, {Network.BEP20: NODE}, NOW)
    give_node(receiving, Network.ERC20, NODE, NOW)

    assert [receiving.is_set_up(network, NOW) for network in Network] == [False, True, False]


# --- in clear nowhere -----------------------------------------------------------------------------------------------


def test_who_reads_the_database_learns_neither_key_nor_list_nor_url_nor_header(
    database: Database, receiving: Receiving
):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    give_source(receiving, Kind.TRON, ADDRESSES_TRON[0], NOW)
    give_node(receiving, Network.ERC20, NODE, NOW)

    whole = repr(stored(database)).encode() + b"".join(
        bytes(one[name]) for one in stored(database) for name in ("key", "value")
    )

    assert len(stored(database)) == 3
    secrets = (XPUB_EVM, XPUB_EVM[4:24], "node.example", "a-key-of-the-owner", "x-api-key", "another-key")
    for secret in (*secrets, ADDRESSES_TRON[0], TRON_0, TRON_0[2:]):
        assert secret.encode() not in whole


def test_the_same_key_sealed_twice_does_not_look_the_same(database: Database):
    for name in ("one", "two"):
        give_source(Receiving(database.client[f"{database.name}-{name}"], a_vault()), Kind.EVM, XPUB_EVM, NOW)
    first, second = (database.client[f"{database.name}-{name}"]["receiving"].find_one() for name in ("one", "two"))
    for name in ("one", "two"):
        database.client.drop_database(f"{database.name}-{name}")

    assert first is not None
    assert second is not None
    assert first["value"] != second["value"]


# --- altered by somebody with the database --------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["key", "value"])
@pytest.mark.parametrize("place", [0, 12, -1])
def test_one_altered_bit_is_noticed(database: Database, receiving: Receiving, field: str, place: int):
    receive(receiving, Kind.EVM, XPUB_EVM, {Network.ERC20: NODE}, NOW)
    for one in stored(database):
        database["receiving"].update_one({"_id": one["_id"]}, {"$set": {field: flipped(one[field], place)}})
    fresh = Receiving(database, a_vault())

    with pytest.raises(CannotDecrypt):
        fresh.source(Kind.EVM, NOW)
    with pytest.raises(CannotDecrypt):
        fresh.nodes(Network.ERC20, NOW)
    assert fresh.is_set_up(Network.ERC20, NOW) is False


def test_what_was_sealed_for_one_place_is_not_taken_in_another(database: Database, receiving: Receiving):
    give_source(receiving, Kind.TRON, XPUB_TRON, NOW)
    give_node(receiving, Network.TRC20, NODE, NOW)
    places = database["receiving"]
    key, node = places.find_one({"_id": "source:TRON"}), places.find_one({"_id": "nodes:TRC20"})
    assert key is not None
    assert node is not None
    places.insert_one({**key, "_id": "source:EVM"})
    places.insert_one({**node, "_id": "nodes:ERC20"})
    fresh = Receiving(database, a_vault())

    with pytest.raises(CannotDecrypt):
        fresh.source(Kind.EVM, NOW)
    with pytest.raises(CannotDecrypt):
        fresh.nodes(Network.ERC20, NOW)
    assert first_of(fresh, Kind.TRON) == TRON_0
    assert fresh.nodes(Network.TRC20, NOW) == (NODE,)


def test_the_entry_with_which_another_node_is_asked_first_is_known(receiving: Receiving):
    one, other = (NodeAddress(f"https://{name}.example/rpc") for name in ("one", "other"))

    def set_at(hours: int, *nodes: NodeAddress) -> None:
        at = NOW + hours * HOUR
        receiving.set_nodes(Network.TRC20, nodes, at, by="ann", in_force_at=at)

    def since(hours: int) -> datetime | None:
        entry = receiving.took_over(Network.TRC20, NOW + hours * HOUR)
        return None if entry is None else entry.in_force_at

    set_at(0, one)
    assert (since(0), since(1)) == (None, None)
    set_at(1, one, other)
    set_at(2, other, one)
    set_at(3, other)
    assert [since(hours) for hours in (1, 2, 3, 9)] == [None, *[NOW + 2 * HOUR] * 3]


def test_who_can_write_to_the_database_alone_names_no_refund_wallet(database: Database, receiving: Receiving):
    assert receiving.wallets(Kind.TRON, NOW) == ()
    mine, others = ("0x" + letter * 40 for letter in "ab")
    receiving.set_wallets(Kind.TRON, [mine], NOW, by="ann", in_force_at=NOW)
    receiving.set_wallets(Kind.EVM, [others, mine], NOW, by="ann", in_force_at=NOW)
    assert receiving.wallets(Kind.EVM, NOW) == (others, mine)

    stored = database["receiving"].find_one({"_id": "wallets:EVM"})
    assert stored is not None
    assert others[2:] not in str(stored)
    database["receiving"].replace_one({"_id": "wallets:TRON"}, {**stored, "_id": "wallets:TRON"})

    with pytest.raises(CannotDecrypt):
        Receiving(database, a_vault()).wallets(Kind.TRON, NOW)


def test_the_moment_a_change_comes_into_force_cannot_be_brought_forward(database: Database, receiving: Receiving):
    """It is inside what is sealed; what stands beside it moves nothing."""
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    receiving.set_source(Kind.EVM, LIST_EVM, NOW, by="thief", in_force_at=NOW + 24 * HOUR)
    later = {"since": NOW, "in_force_at": NOW, "untold.0.in_force_at": NOW}
    database["receiving"].update_one({"_id": "source:EVM"}, {"$set": later})

    assert first_of(Receiving(database, a_vault()), Kind.EVM, NOW + HOUR) == EVM_0


def test_the_number_of_a_version_cannot_be_altered(database: Database, receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    database["receiving"].update_one({"_id": "source:EVM"}, {"$set": {"version": 9}})

    with pytest.raises(CannotDecrypt, match="its version was altered"):
        Receiving(database, a_vault()).source(Kind.EVM, NOW)


@pytest.mark.parametrize("how", ["replayed", "deleted", "of the release before"])
def test_an_older_value_is_refused_by_each_process_that_has_seen_the_newer(
    database: Database, receiving: Receiving, how: str
):
    places = database["receiving"]
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    old = places.find_one({"_id": "source:EVM"})
    give_source(receiving, Kind.EVM, LIST_EVM, NOW)
    other = Receiving(database, a_vault(), keep=0.0)
    assert first_of(other, Kind.EVM) == LIST_EVM.lower()

    places.delete_one({"_id": "source:EVM"})
    if how == "replayed":
        places.insert_one(old)
    elif how == "of the release before":
        seal_as_before(database, Kind.EVM, XPUB_EVM)

    with pytest.raises(CannotDecrypt, match="an older value"):
        other.source(Kind.EVM, NOW)


def test_a_change_of_what_cannot_be_read_is_refused_with_a_sentence(database: Database, receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)
    database["receiving"].update_one({"_id": "source:EVM"}, {"$set": {"value": Binary(b"nonsense" * 8)}})

    with pytest.raises(Conflict, match="cannot be read"):
        receiving.set_source(Kind.EVM, LIST_EVM, NOW, by="owner", in_force_at=NOW)


def test_what_another_vault_sealed_is_not_taken(database: Database):
    receive(Receiving(database, a_vault("v1:" + key_of(b"x"))), Kind.EVM, XPUB_EVM, {Network.ERC20: NODE}, NOW)

    for vault in (a_vault(), a_vault("v9:" + key_of(b"x"))):
        with pytest.raises(CannotDecrypt):
            Receiving(database, vault).source(Kind.EVM, NOW)
        with pytest.raises(CannotDecrypt):
            Receiving(database, vault).nodes(Network.ERC20, NOW)


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "xpub", XPUB_EVM[:-1], XPUB_EVM[:-1] + "Q", ZPUB, WORDS, PRIVATE_KEY, f"{LIST_EVM}\n{PRIVATE_KEY}"],
    ids=["nothing", "its beginning", "cut", "mistyped", "of another network", "a phrase", "a private key", "in a list"],
)
def test_what_is_no_source_is_refused_and_nothing_is_stored(database: Database, receiving: Receiving, text: str):
    with pytest.raises(Invalid):
        receiving.set_source(Kind.EVM, text, NOW, by="owner", in_force_at=NOW)

    assert stored(database) == []


def test_what_is_set_up_is_read_once_for_many_pages_and_at_once_by_whoever_changed_it(database):
    mine, other = Receiving(database, a_vault(), keep=60.0), Receiving(database, a_vault(), keep=60.0)
    assert other.is_set_up(Network.TRC20, NOW) is False

    receive(mine, Kind.TRON, XPUB_TRON, {Network.TRC20: NODE}, NOW)

    assert mine.is_set_up(Network.TRC20, NOW) is True
    assert other.is_set_up(Network.TRC20, NOW) is False
    assert Receiving(database, a_vault()).is_set_up(Network.TRC20, NOW) is True


def test_neither_key_nor_header_shows_when_it_is_printed(receiving: Receiving):
    give_source(receiving, Kind.EVM, XPUB_EVM, NOW)

    assert XPUB_EVM not in repr(receiving.source(Kind.EVM, NOW))
    assert "another-key" not in repr(NODE)


def test_a_place_that_does_not_exist_is_none():
    assert NODES[Network.TRC20].id == "nodes:TRC20"
    with pytest.raises(ValueError, match="TRC21"):
        place_of(Part.NODES, "TRC21")


# --- what everybody can spend from ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "text"), [(Kind.EVM, XPUB_EVM), (Kind.TRON, XPUB_TRON), (Kind.EVM, ADDRESSES_EVM[3])])
def test_where_money_is_real_a_source_that_everybody_can_spend_from_is_none(database: Database, kind: Kind, text: str):
    """The stand-in's key may still be in the database when a site goes live."""
    source = give_source(Receiving(database, a_vault()), kind, text, NOW)

    real = Receiving(database, a_vault(), is_sandbox=False)

    assert (real.source(kind, NOW), real.source_called(kind, source, NOW)) == (None, None)
    assert real.has_source(kind, source, NOW), "so that a new source is not taken for one that was put back"
    assert Receiving(database, a_vault()).source(kind, NOW) is not None


def test_where_money_is_real_the_owners_own_source_is_taken(database: Database):
    real = Receiving(database, a_vault(), is_sandbox=False)
    give_source(real, Kind.EVM, f"0x{'ab' * 20}", NOW)

    assert real.source(Kind.EVM, NOW) is not None
