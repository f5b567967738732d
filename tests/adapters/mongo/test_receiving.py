"""Keys and nodes to receive with: read back as they were given, in clear nowhere, and refused if they were altered."""

import base64
from typing import Any

import pytest
from bson import Binary
from pymongo.database import Database

from inspired.adapters.crypto.vault import CannotDecrypt, Vault
from inspired.adapters.mongo.receiving import NodeAddress, Receiving
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind, Network
from tests.adapters.crypto.test_account_keys import WORDS, XPUB_EVM, XPUB_TRON, ZPUB
from tests.factories import MINUTE, NOW

NODE = NodeAddress("https://node.example/v3/a-key-of-the-owner", "x-api-key: another-key-of-the-owner")
ELSEWHERE = NodeAddress("https://elsewhere.example/")
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


# --- read back ------------------------------------------------------------------------------------------------------


def test_until_the_owner_gives_something_there_is_nothing(receiving: Receiving):
    assert [receiving.account_key(kind) for kind in Kind] == [None, None]
    assert [receiving.node(network) for network in Network] == [None, None, None]


def test_keys_and_nodes_are_read_back_each_by_its_own_name(database: Database, receiving: Receiving):
    evm = receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)
    tron = receiving.set_account_key(Kind.TRON, f"  {XPUB_TRON}\n", NOW)
    receiving.set_node(Network.TRC20, NODE, NOW)
    receiving.set_node(Network.BEP20, ELSEWHERE, NOW)

    other_process = Receiving(database, a_vault())

    assert (other_process.account_key(Kind.EVM), other_process.account_key(Kind.TRON)) == (evm, tron)
    assert evm.address(0) != tron.address(0)
    assert [other_process.node(network) for network in Network] == [NODE, ELSEWHERE, None]


def test_a_newer_one_takes_the_place_of_the_older(database: Database, receiving: Receiving):
    receiving.set_node(Network.TRC20, NODE, NOW)

    receiving.set_node(Network.TRC20, ELSEWHERE, NOW + MINUTE)

    assert receiving.node(Network.TRC20) == ELSEWHERE
    [kept] = stored(database)
    assert kept["since"] == NOW + MINUTE


def test_after_the_vault_has_a_new_key_what_the_old_one_sealed_is_still_read(database: Database, receiving: Receiving):
    key = receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)

    rotated = Receiving(database, a_vault(f"v2:{key_of(b'f')},v1:{key_of(b'e')}"))

    assert rotated.account_key(Kind.EVM) == key


# --- in clear nowhere -----------------------------------------------------------------------------------------------


def test_who_reads_the_database_learns_neither_key_nor_url_nor_header(database: Database, receiving: Receiving):
    receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)
    receiving.set_node(Network.ERC20, NODE, NOW)

    whole = repr(stored(database)).encode() + b"".join(
        bytes(one[name]) for one in stored(database) for name in ("key", "value")
    )

    assert len(stored(database)) == 2
    for secret in (XPUB_EVM, XPUB_EVM[4:24], "node.example", "a-key-of-the-owner", "x-api-key", "another-key"):
        assert secret.encode() not in whole


def test_the_same_key_sealed_twice_does_not_look_the_same(database: Database, receiving: Receiving):
    receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)
    [first] = stored(database)

    receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)

    [second] = stored(database)
    assert (first["key"], first["value"]) != (second["key"], second["value"])
    assert first["value"] != second["value"]


# --- altered by somebody with the database --------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["key", "value"])
@pytest.mark.parametrize("place", [0, 12, -1])
def test_one_altered_bit_is_noticed(database: Database, receiving: Receiving, field: str, place: int):
    receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)
    receiving.set_node(Network.ERC20, NODE, NOW)
    for one in stored(database):
        database["receiving"].update_one({"_id": one["_id"]}, {"$set": {field: flipped(one[field], place)}})

    with pytest.raises(CannotDecrypt):
        receiving.account_key(Kind.EVM)
    with pytest.raises(CannotDecrypt):
        receiving.node(Network.ERC20)


def test_what_was_sealed_for_one_place_is_not_taken_in_another(database: Database, receiving: Receiving):
    receiving.set_account_key(Kind.TRON, XPUB_TRON, NOW)
    receiving.set_node(Network.TRC20, NODE, NOW)
    places = database["receiving"]
    key, node = places.find_one({"_id": "key:TRON"}), places.find_one({"_id": "node:TRC20"})
    assert key is not None
    assert node is not None
    places.insert_one({**key, "_id": "key:EVM"})
    places.insert_one({**node, "_id": "node:ERC20"})

    with pytest.raises(CannotDecrypt):
        receiving.account_key(Kind.EVM)
    with pytest.raises(CannotDecrypt):
        receiving.node(Network.ERC20)
    assert receiving.account_key(Kind.TRON) is not None
    assert receiving.node(Network.TRC20) == NODE


def test_the_value_of_another_document_is_not_taken_with_its_wrapped_key_or_without(
    database: Database, receiving: Receiving
):
    receiving.set_node(Network.TRC20, NODE, NOW)
    receiving.set_node(Network.ERC20, ELSEWHERE, NOW)
    places = database["receiving"]
    node = places.find_one({"_id": "node:TRC20"})
    assert node is not None

    for changes in ({"value": node["value"]}, {"value": node["value"], "key": node["key"]}):
        places.update_one({"_id": "node:ERC20"}, {"$set": changes})
        with pytest.raises(CannotDecrypt):
            receiving.node(Network.ERC20)


def test_what_another_vault_sealed_is_not_taken(database: Database, receiving: Receiving):
    theirs = Receiving(database, a_vault("v1:" + key_of(b"x")))
    theirs.set_account_key(Kind.EVM, XPUB_EVM, NOW)
    Receiving(database, a_vault("v9:" + key_of(b"e"))).set_node(Network.ERC20, NODE, NOW)

    with pytest.raises(CannotDecrypt):
        receiving.account_key(Kind.EVM)
    with pytest.raises(CannotDecrypt):
        receiving.node(Network.ERC20)


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "xpub", XPUB_EVM[:-1], XPUB_EVM[:-1] + "Q", ZPUB, WORDS, PRIVATE_KEY],
    ids=["nothing", "its beginning", "cut", "mistyped", "of another network", "a phrase", "a private key"],
)
def test_what_is_no_account_key_is_refused_and_nothing_is_stored(database: Database, receiving: Receiving, text: str):
    with pytest.raises(Invalid):
        receiving.set_account_key(Kind.EVM, text, NOW)

    assert stored(database) == []


def test_a_refused_key_leaves_the_one_that_was_there(receiving: Receiving):
    key = receiving.set_account_key(Kind.EVM, XPUB_EVM, NOW)

    with pytest.raises(Invalid):
        receiving.set_account_key(Kind.EVM, WORDS, NOW + MINUTE)

    assert receiving.account_key(Kind.EVM) == key


def test_what_is_set_up_is_read_once_for_many_pages_and_at_once_by_whoever_changed_it(database):
    mine, other = Receiving(database, a_vault(), keep=60.0), Receiving(database, a_vault(), keep=60.0)
    assert other.is_set_up(Network.TRC20) is False

    mine.set_account_key(Kind.TRON, XPUB_TRON, NOW)
    mine.set_node(Network.TRC20, NODE, NOW)

    assert mine.is_set_up(Network.TRC20) is True
    assert other.is_set_up(Network.TRC20) is False
    assert Receiving(database, a_vault()).is_set_up(Network.TRC20) is True
