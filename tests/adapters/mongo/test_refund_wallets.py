"""Wallets that refunds are sent from: sealed, and believed only if we put them there."""

from typing import Any

import pytest
from pymongo.database import Database

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.refund_wallets import RefundWallets
from inspired.domain.shared.networks import Kind
from tests.adapters.mongo.test_receiving import a_vault
from tests.factories import NOW

ONE, OTHER = ("0x" + letter * 40 for letter in "ab")


@pytest.fixture
def wallets(database: Database[Any]) -> RefundWallets:
    return RefundWallets(database, a_vault())


def test_each_kind_of_network_has_its_own_and_the_newest_list_counts(wallets: RefundWallets):
    wallets.set(Kind.TRON, [ONE], NOW)
    wallets.set(Kind.EVM, [ONE], NOW)
    wallets.set(Kind.EVM, [OTHER, ONE], NOW)

    assert (wallets.of(Kind.TRON), wallets.of(Kind.EVM)) == ((ONE,), (OTHER, ONE))


def test_before_any_is_named_there_is_none(wallets: RefundWallets):
    assert wallets.of(Kind.TRON) == ()


def test_who_can_write_to_the_database_alone_names_no_wallet(wallets: RefundWallets, database: Database[Any]):
    wallets.set(Kind.TRON, [ONE], NOW)
    wallets.set(Kind.EVM, [OTHER], NOW)
    stored = database["refund_wallets"].find_one({"_id": "EVM"})
    assert stored is not None
    assert ONE not in str(stored)
    database["refund_wallets"].replace_one({"_id": "TRON"}, {**stored, "_id": "TRON"})

    with pytest.raises(CannotDecrypt):
        wallets.of(Kind.TRON)
