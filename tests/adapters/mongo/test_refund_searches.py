"""Up to which block refunds were looked for."""

from datetime import timedelta

import pytest

from inspired.adapters.mongo.refund_searches import RefundSearches, Search
from tests.factories import MINUTE, NOW


@pytest.fixture
def searches(database) -> RefundSearches:
    return RefundSearches(database)


def test_what_is_saved_is_known_and_what_is_not_kept_is_forgotten(searches: RefundSearches):
    for name in ("one/1", "two/1"):
        searches.save(name, Search(7, "wallets", NOW))
    searches.save("one/1", Search(9, "wallets", None))

    before = searches.all()
    searches.keep({"one/1"})

    assert before == {"one/1": Search(9, "wallets", None), "two/1": Search(7, "wallets", NOW)}
    assert searches.all() == {"one/1": Search(9, "wallets", None)}


def test_one_caller_gets_the_turn_and_nobody_before_the_next_is_due(searches: RefundSearches):
    turns = [searches.take(NOW + wait, NOW + wait + MINUTE) for wait in (timedelta(), timedelta(seconds=59), MINUTE)]
    searches.keep(())

    assert turns == [True, False, True]
    assert not searches.take(NOW + MINUTE, NOW + 2 * MINUTE)
