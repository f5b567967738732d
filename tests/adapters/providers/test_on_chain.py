"""USDT sent to an order's own address: what counts, when it is proven, and which address may be shown.

Each network is the sandbox's chain, asked over HTTP. Its blocks come when a test mines them, and at no other time.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from inspired.adapters.crypto.chain_addresses import shown
from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.payment_addresses import PaymentAddresses
from inspired.adapters.mongo.receiving import NodeAddress, Receiving
from inspired.adapters.mongo.transfers import Transfers
from inspired.adapters.providers.chain_node import AskedToWait, ChainNode
from inspired.adapters.providers.http import Http
from inspired.adapters.providers.on_chain import GAP_LIMIT, OnChain
from inspired.adapters.redis.throttle import HeldBack, Throttle
from inspired.domain.booking.address_reuse import Rest
from inspired.domain.booking.booking import Checkout
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.receiving import Stock
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.booking.states import Held, Remote
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Block, Kind, Network
from tests.adapters.crypto.test_account_keys import ADDRESSES_EVM, ADDRESSES_TRON, XPUB_EVM, XPUB_TRON
from tests.adapters.listeners import answering, failure_of, listening
from tests.adapters.mongo.test_receiving import a_vault, flipped, key_of, seal_as_before
from tests.factories import NOW
from tests.faults import proxy
from tests.harness import Servers
from tests.receiving import give_node, give_source, receive
from tests.sandbox.chains import DEPTH

TRADE_NO, SECOND_NO, THIRD_NO = (letter * 24 + "001" for letter in "bcd")
XPUBS = {Kind.EVM: XPUB_EVM, Kind.TRON: XPUB_TRON}
ADDRESSES = {Kind.EVM: ADDRESSES_EVM, Kind.TRON: ADDRESSES_TRON}
THEIRS = "0x" + "e5" * 20
PRICE = "75"
MINUTE = timedelta(minutes=1)


def usdt(amount: str) -> Money:
    return Money.parse(amount)


class Clock:
    """Ours: the real one, or ahead of it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Net:
    """One network, for who pulls its strings."""

    servers: Servers
    network: Network

    def control(self, what: str, body: dict[str, Any] | None = None) -> Any:
        return self.servers.control(f"chains/{self.network}/{what}", body)

    def send(self, to: str, amount: str, **more: Any) -> str:
        """In a block of its own; the hash of its transaction."""
        return str(self.control("send", {"to": to, "amount": amount, **more})["txHash"])

    def mine(self, blocks: int = 1) -> None:
        self.control("mine", {"blocks": blocks})

    def finalize(self) -> None:
        self.control("finalize", {})

    def reorganise(self, depth: int, *drop: str) -> None:
        self.control("reorg", {"depth": depth, "drop": list(drop)})

    def breaks(self, fault: str, times: int = 100) -> None:
        self.control("faults", {"fault": fault, "times": times})

    def calls(self) -> int:
        return len(self.control("calls"))

    @property
    def node(self) -> NodeAddress:
        return NodeAddress(f"{self.servers.sandbox}/chains/{self.network}/jsonrpc")

    @property
    def addresses(self) -> list[str]:
        """The first of the owner's key, as the owner's wallet shows them."""
        return ADDRESSES[self.network.facts.kind]

    @property
    def smallest(self) -> str:
        return f"0.{1:0{self.network.facts.decimals}d}"


@dataclass
class Shop:
    """A network, our rail on it, and what the rail has stored."""

    net: Net
    rail: OnChain
    receiving: Receiving
    given: PaymentAddresses
    clock: Clock

    def create(self, trade_no: str = TRADE_NO, price: str = PRICE) -> Checkout:
        return self.rail.create(
            trade_no=trade_no,
            price=usdt(price),
            title="Portfolio review",
            reference="portfolio-review",
            expires_at=self.clock() + 30 * MINUTE,
            page_url="http://127.0.0.1:9/booking/t",
            seconds=5.0,
        )

    def seen(self, trade_no: str = TRADE_NO) -> tuple[Remote | None, Money | None, bool]:
        """What a query tells now: the status, the money, and whether it is proven."""
        told = self.rail.query(trade_no)
        return told.status, told.money, told.by_query

    def closed_a_minute_ahead(self) -> None:
        """Closed at a moment that no block has reached: our clock is ahead of the chain's."""
        self.clock.ahead = MINUTE
        self.rail.close(TRADE_NO)

    def block_after_the_close(self) -> None:
        self.net.servers.control("clock", {"advance_s": 62})
        self.net.mine()


Make = Callable[..., Shop]


@pytest.fixture
def make(sandbox, database, connection) -> Make:
    clock = Clock()
    sandbox.control("settings", {f"{network.lower()}_speed_up": 0 for network in Network})

    def made(network: Network, *, vault: Vault | None = None, is_set_up: bool = True) -> Shop:
        net, receiving, given = (
            Net(sandbox, network),
            Receiving(database, vault or a_vault(), keep=0.0),
            PaymentAddresses(database),
        )
        throttle = Throttle(connection, service=f"node-{network}", per_second=1000, now=clock, chance=lambda: 0)
        if is_set_up:
            receive(receiving, network.facts.kind, XPUBS[network.facts.kind], {network: net.node}, NOW)
        rail = OnChain(
            network,
            Http(),
            throttle=throttle,
            receiving=receiving,
            addresses=given,
            transfers=Transfers(database),
            now=clock,
        )
        return Shop(net, rail, receiving, given, clock)

    return made


@pytest.fixture(params=Network)
def shop(request, make) -> Shop:
    return make(request.param)


@pytest.fixture
def tron(make) -> Shop:
    """Where one network tells as much as three."""
    return make(Network.TRC20)


NOTHING = (Remote.INITIAL, None, True)
DUST_ONLY = (Remote.PENDING, None, True)


def a_part(amount: str) -> tuple[Remote, Money, bool]:
    return Remote.PENDING, Money.parse(amount), True


OVER = (Remote.EXPIRED, None, True)


def in_a_block(amount: str = PRICE) -> tuple[Remote, Money, bool]:
    return Remote.PAID, usdt(amount), False


def proven(amount: str = PRICE) -> tuple[Remote, Money, bool]:
    return Remote.PAID, usdt(amount), True


# --- the order's address --------------------------------------------------------------------------------------------


def test_each_order_gets_the_next_address_of_the_owners_wallet(shop):
    checkouts = [shop.create(trade_no) for trade_no in (TRADE_NO, SECOND_NO, THIRD_NO)]

    assert checkouts == [Checkout(one, one, "", "", "") for one in shop.net.addresses[:3]]


def test_an_order_asked_for_again_keeps_its_address_and_takes_no_other_from_the_next(shop):
    first = shop.create()

    assert [shop.create(), shop.create(price="1")] == [first, first]
    assert shop.create(SECOND_NO).qr_content == shop.net.addresses[1]


def test_an_order_that_has_its_address_is_told_it_while_the_node_is_away(tron):
    first = tron.create()
    tron.net.breaks("refuse")

    assert tron.create() == first


def test_the_two_networks_that_share_addresses_never_give_out_the_same(make):
    bnb, ethereum = make(Network.BEP20), make(Network.ERC20)

    given = [one.create(trade_no).qr_content for one, trade_no in ((bnb, TRADE_NO), (ethereum, SECOND_NO))]
    given += [one.create(trade_no).qr_content for one, trade_no in ((bnb, THIRD_NO), (ethereum, "e" * 24 + "001"))]

    assert given == ADDRESSES_EVM[:4]


def test_orders_created_at_once_all_get_different_addresses(tron):
    with ThreadPoolExecutor(8) as pool:
        given = [one.qr_content for one in pool.map(lambda number: tron.create(f"{number:024}001"), range(20))]

    assert len(set(given)) == 20


def test_one_order_created_by_many_at_once_gets_one_address(tron):
    with ThreadPoolExecutor(8) as pool:
        checkouts = list(pool.map(lambda _: tron.create(), range(16)))

    assert {one.qr_content for one in checkouts} == {tron.create().qr_content}


def test_while_the_node_is_away_no_address_is_given_out_and_none_is_lost(tron):
    tron.net.breaks("refuse", times=1)

    failure = failure_of(tron.create)

    assert failure is not None
    assert tron.given.find(TRADE_NO) is None
    assert tron.create().qr_content == tron.net.addresses[0]


def test_without_a_key_or_a_node_nothing_is_given_out_and_it_is_sure_that_nothing_was(make):
    shop = make(Network.TRC20, is_set_up=False)
    without_key = failure_of(shop.create)
    give_source(shop.receiving, Kind.TRON, XPUB_TRON, NOW)
    without_node = failure_of(shop.create)

    for failure, words in ((without_key, "no account key or list that can be read"), (without_node, "no node is set")):
        assert failure is not None
        assert (failure.message, failure.retryable, failure.maybe_applied) == (words, False, False)
    assert shop.given.find(TRADE_NO) is None


@pytest.mark.parametrize("network", [Network.TRC20, Network.ERC20])
def test_a_price_finer_than_the_networks_units_is_refused_for_good_and_takes_no_address(make, network):
    shop = make(network)

    failure = failure_of(lambda: shop.create(price="75.0000001"))

    assert failure is not None
    assert (failure.message, failure.retryable, failure.maybe_applied) == (
        f"{network.facts.name} has only 6 decimal places",
        False,
        False,
    )
    assert shop.net.calls() == 0
    assert shop.create().qr_content == shop.net.addresses[0]


def test_an_address_that_was_put_into_the_database_is_not_shown_again_as_the_orders(tron, database):
    tron.create()
    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$set": {"address": THEIRS}})

    with pytest.raises(UpstreamError, match="not the owner's"):
        tron.create()


# --- what came ------------------------------------------------------------------------------------------------------


def test_an_order_without_an_address_is_unknown(tron):
    told = tron.rail.query(TRADE_NO, asked_at=NOW)

    assert told == OrderObservation(TRADE_NO, NOW, None)
    assert tron.net.calls() == 0


def test_an_order_that_nobody_paid_has_no_money(shop):
    shop.create()

    assert shop.rail.query(TRADE_NO, asked_at=NOW) == OrderObservation(TRADE_NO, NOW, Remote.INITIAL)


def test_without_a_moment_it_was_asked_now_by_our_clock(tron):
    tron.create()
    before = tron.clock()

    assert before <= tron.rail.query(TRADE_NO).asked_at <= tron.clock()


def test_the_whole_price_is_seen_in_a_block_and_proven_once_the_block_is_final(shop):
    address = shop.create().qr_content
    hash_ = shop.net.send(address, PRICE)

    told = shop.rail.query(TRADE_NO, asked_at=NOW)
    shop.net.finalize()
    final = shop.rail.query(TRADE_NO, asked_at=NOW)

    [block] = [one["at"] for one in shop.net.control("transfers") if one["txHash"] == hash_]
    stamp = datetime.fromtimestamp(block, UTC)
    assert told == OrderObservation(
        TRADE_NO,
        NOW,
        Remote.PAID,
        money=usdt(PRICE),
        transaction_id=hash_,
        paid_at=stamp,
        by_query=False,
        confirmations=0,
    )
    assert final == replace(told, by_query=True, confirmations=DEPTH[shop.net.network])


def test_it_is_not_proven_one_block_before_its_own_is_final(shop):
    shop.net.send(shop.create().qr_content, PRICE)

    shop.net.mine(DEPTH[shop.net.network] - 1)
    before = shop.seen()
    shop.net.mine()

    assert (before, shop.seen()) == (in_a_block(), proven())


def test_blocks_on_top_of_the_transfer_that_completed_it_are_its_confirmations(shop):
    address = shop.create().qr_content
    shop.net.send(address, "70")
    shop.net.mine(2)
    shop.net.send(address, "5")

    before = shop.rail.query(TRADE_NO).confirmations
    shop.net.mine(3)

    assert (before, shop.rail.query(TRADE_NO).confirmations) == (0, 3)


def test_a_part_is_no_money_yet_not_even_when_it_is_final(shop):
    address = shop.create().qr_content
    shop.net.send(address, "74.999999")

    in_block = shop.seen()
    shop.net.finalize()

    assert (in_block, shop.seen()) == (a_part("74.999999"), a_part("74.999999"))


def test_the_smallest_unit_that_is_missing_is_missing(shop):
    address = shop.create().qr_content
    shop.net.send(address, "74." + "9" * shop.net.network.facts.decimals)
    short = shop.seen()

    shop.net.send(address, shop.net.smallest)

    assert (short, shop.seen()) == (a_part(f"74.{'9' * min(8, shop.net.network.facts.decimals)}"), in_a_block())


def test_transfers_add_up_and_the_last_one_names_the_payment(shop):
    address = shop.create().qr_content
    shop.net.send(address, "25")
    shop.net.send(address, "25", also=[{"to": address, "amount": "24"}])
    before = shop.seen()
    last = shop.net.send(address, "1")

    told = shop.rail.query(TRADE_NO)

    assert before == a_part("74")
    assert (told.status, told.money, told.transaction_id) == (Remote.PAID, usdt("75"), last)


def test_more_than_was_wanted_is_told_in_full(shop):
    shop.net.send(shop.create().qr_content, "80.25")

    in_block = shop.seen()
    shop.net.finalize()

    assert (in_block, shop.seen()) == (in_a_block("80.25"), proven("80.25"))


def test_what_comes_after_the_price_is_proven_counts_once_it_is_final_too(shop):
    address = shop.create().qr_content
    shop.net.send(address, PRICE)
    shop.net.finalize()
    shop.net.send(address, "5")

    not_yet = shop.seen()
    shop.net.finalize()

    assert (not_yet, shop.seen()) == (proven("75"), proven("80"))


def test_another_token_with_the_same_symbol_counts_for_nothing(shop):
    shop.net.send(shop.create().qr_content, PRICE, token="FAKE")
    shop.net.finalize()

    assert shop.seen() == NOTHING


def test_money_to_another_order_counts_for_that_one_alone(shop):
    shop.create()
    other = shop.create(SECOND_NO).qr_content
    shop.net.send(other, PRICE)

    assert (shop.seen(), shop.seen(SECOND_NO)) == (NOTHING, in_a_block())


def test_a_transfer_of_nothing_is_nothing(shop):
    shop.net.send(shop.create().qr_content, "0")

    assert shop.seen() == NOTHING


def test_what_reached_the_address_before_it_was_the_orders_is_not_the_orders(shop):
    shop.net.send(shop.net.addresses[0], PRICE)
    shop.net.mine()

    assert shop.create().qr_content == shop.net.addresses[0]
    assert shop.seen() == NOTHING


def test_money_on_bnb_chain_is_counted_in_its_eighteen_places_and_rounded_down(make):
    bnb = make(Network.BEP20)
    bnb.net.send(bnb.create().qr_content, "75.000000019999999999")

    assert bnb.seen() == in_a_block("75.00000001")


def test_units_of_a_network_with_fewer_places_would_be_nothing_here(make):
    """75 USDT on TRON are 75,000,000 units; as many units on BNB Chain are worth nothing."""
    bnb = make(Network.BEP20)
    bnb.net.send(bnb.create().qr_content, "0.000000000075")

    assert bnb.seen() == DUST_ONLY


# --- blocks that are replaced, and nodes that lag -------------------------------------------------------------------


def test_money_that_a_reorganisation_took_away_was_never_there(shop):
    hash_ = shop.net.send(shop.create().qr_content, PRICE)
    before = shop.seen()

    shop.net.reorganise(1, hash_)

    assert (before, shop.seen()) == (in_a_block(), NOTHING)


def test_of_several_transfers_the_ones_that_stayed_are_still_counted(shop):
    address = shop.create().qr_content
    shop.net.send(address, "50")
    hash_ = shop.net.send(address, "25")
    before = shop.seen()

    shop.net.reorganise(1, hash_)

    assert (before, shop.seen()) == (in_a_block(), a_part("50"))


def test_money_that_was_mined_again_in_another_block_counts_once(shop):
    hash_ = shop.net.send(shop.create().qr_content, PRICE)
    shop.net.mine()
    before = shop.rail.query(TRADE_NO, asked_at=NOW)

    shop.net.reorganise(2)

    after = shop.rail.query(TRADE_NO, asked_at=NOW)
    assert (before.transaction_id, before.by_query) == (hash_, False)
    assert (after.transaction_id, after.money, after.by_query) == (hash_, usdt(PRICE), False)


def test_a_node_behind_a_block_with_money_is_not_believed_that_there_is_none(shop):
    shop.net.send(shop.create().qr_content, PRICE)
    before = shop.seen()
    shop.net.breaks("lag")

    with pytest.raises(UpstreamError, match="has not reached a block that was seen before") as caught:
        shop.rail.query(TRADE_NO)

    assert before == in_a_block()
    assert caught.value.retryable


def test_once_the_node_has_caught_up_the_money_is_told_again(tron):
    tron.net.send(tron.create().qr_content, PRICE)
    before = tron.seen()
    tron.net.breaks("lag", times=2)  # a query asks for two blocks before it gives up
    with pytest.raises(UpstreamError):
        tron.rail.query(TRADE_NO)

    assert (before, tron.seen()) == (in_a_block(), in_a_block())


# --- the end of its time --------------------------------------------------------------------------------------------


def test_only_a_block_stamped_after_the_close_closes_an_order(shop):
    shop.create()
    shop.closed_a_minute_ahead()
    at_once = shop.seen()
    shop.net.mine()
    stamped_before = shop.seen()
    shop.clock.ahead += MINUTE
    by_our_clock = shop.seen()

    shop.block_after_the_close()

    assert (at_once, stamped_before, by_our_clock) == (NOTHING, NOTHING, NOTHING)
    assert shop.seen() == OVER


def test_an_order_nobody_closed_stays_open_whatever_the_blocks_say(tron):
    tron.create()

    tron.block_after_the_close()

    assert tron.seen() == NOTHING


def test_money_in_a_block_before_the_close_is_told_and_not_closed(shop):
    shop.net.send(shop.create().qr_content, PRICE)
    shop.closed_a_minute_ahead()
    shop.block_after_the_close()

    in_block = shop.seen()
    shop.net.finalize()

    assert (in_block, shop.seen()) == (in_a_block(), proven())


def test_a_part_seen_before_the_close_keeps_the_order_open_until_it_is_final(shop):
    address = shop.create().qr_content
    shop.closed_a_minute_ahead()
    shop.net.send(address, "30")
    before = shop.seen()
    shop.block_after_the_close()

    in_block = shop.seen()
    shop.net.finalize()

    assert (before, in_block, shop.seen()) == (a_part("30"), in_a_block("30"), proven("30"))


def test_a_part_that_is_final_at_the_close_is_told_with_its_amount(shop):
    shop.net.send(shop.create().qr_content, "30")
    shop.net.finalize()
    before = shop.seen()
    shop.closed_a_minute_ahead()

    shop.block_after_the_close()

    assert (before, shop.seen()) == (a_part("30"), proven("30"))


def test_the_final_part_waits_for_the_one_that_is_not(shop):
    address = shop.create().qr_content
    shop.net.send(address, "30")
    shop.net.finalize()
    shop.closed_a_minute_ahead()
    shop.net.send(address, "20")
    shop.block_after_the_close()

    in_block = shop.seen()
    shop.net.finalize()

    assert (in_block, shop.seen()) == (in_a_block("50"), proven("50"))


def test_a_part_that_was_taken_away_after_the_close_leaves_the_order_closed(shop):
    address = shop.create().qr_content
    shop.closed_a_minute_ahead()
    hash_ = shop.net.send(address, "30")
    shop.block_after_the_close()
    before = shop.seen()

    shop.net.reorganise(2, hash_)

    assert (before, shop.seen()) == (in_a_block("30"), OVER)


def test_money_that_comes_after_the_close_is_told_all_the_same(shop):
    address = shop.create().qr_content
    shop.closed_a_minute_ahead()
    shop.block_after_the_close()
    before = shop.seen()

    shop.net.send(address, PRICE)

    assert (before, shop.seen()) == (OVER, in_a_block())


def test_closing_again_and_closing_what_is_none_is_no_failure(tron):
    tron.create()
    tron.closed_a_minute_ahead()
    tron.block_after_the_close()
    tron.clock.ahead += 2 * MINUTE

    tron.rail.close(TRADE_NO)
    tron.rail.close(SECOND_NO)
    tron.clock.ahead = MINUTE

    assert tron.seen() == OVER
    assert tron.rail.query(SECOND_NO).status is None


# --- which address may be shown -------------------------------------------------------------------------------------


def test_the_orders_own_address_is_vouched_for(shop):
    checkout = shop.create()

    assert shop.rail.vouches_for(TRADE_NO, checkout)


def test_an_address_that_was_altered_in_the_booking_is_not_vouched_for(shop):
    checkout = shop.create()
    other = shop.create(SECOND_NO)

    for address in (shown(shop.net.network, THEIRS), other.qr_content, checkout.qr_content.lower(), ""):
        assert not shop.rail.vouches_for(TRADE_NO, replace(checkout, qr_content=address))


def test_an_address_that_was_altered_everywhere_in_the_database_is_not_vouched_for(shop, database):
    checkout = shop.create()
    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$set": {"address": THEIRS}})

    altered = replace(checkout, qr_content=shown(shop.net.network, THEIRS))

    assert not shop.rail.vouches_for(TRADE_NO, altered)
    assert not shop.rail.vouches_for(TRADE_NO, checkout)


def test_money_sent_to_an_address_that_was_altered_in_the_database_counts_for_nothing(shop, database):
    shop.create()
    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$set": {"address": THEIRS}})
    shop.net.send(shown(shop.net.network, THEIRS), PRICE)

    with pytest.raises(UpstreamError, match="not the owner's"):
        shop.rail.query(TRADE_NO)


@pytest.mark.parametrize("number", [1, -1, 2**31])
def test_an_address_whose_number_was_altered_is_not_vouched_for(tron, database, number):
    checkout = tron.create()

    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$set": {"number": number}})

    assert not tron.rail.vouches_for(TRADE_NO, checkout)


def test_an_order_that_has_no_address_has_none_that_is_vouched_for(tron):
    checkout = tron.create()

    assert not tron.rail.vouches_for(SECOND_NO, checkout)


@pytest.mark.parametrize("field", ["key", "value"])
def test_while_the_owners_key_cannot_be_read_no_address_is_vouched_for(tron, database, field):
    checkout = tron.create()
    kept = database["receiving"].find_one({"_id": "source:TRON"})

    database["receiving"].update_one({"_id": "source:TRON"}, {"$set": {field: flipped(kept[field], -1)}})
    altered = tron.rail.vouches_for(TRADE_NO, checkout)
    database["receiving"].delete_one({"_id": "source:TRON"})
    gone = tron.rail.vouches_for(TRADE_NO, checkout)
    database["receiving"].insert_one(kept)

    assert (altered, gone, tron.rail.vouches_for(TRADE_NO, checkout)) == (False, False, True)


def test_another_key_that_somebody_put_in_its_place_vouches_for_nothing(make, database):
    tron = make(Network.TRC20)
    checkout = tron.create()
    database["receiving"].delete_many({})

    theirs = make(Network.TRC20, vault=a_vault("v1:" + key_of(b"x")))

    assert theirs.rail.vouches_for(TRADE_NO, checkout)  # by their own vault it would
    assert not tron.rail.vouches_for(TRADE_NO, checkout)


# --- other sources --------------------------------------------------------------------------------------------------


def a_list(tron: Shop, *numbers: int) -> str:
    return "\n".join(ADDRESSES_TRON[number] for number in numbers)


def test_after_a_change_addresses_given_out_before_are_checked_against_their_own_source(tron):
    before = tron.create()
    other = "\n".join(shown(Network.TRC20, f"0x{number:040x}") for number in (7, 8))
    give_source(tron.receiving, Kind.TRON, other, NOW + MINUTE)

    after = tron.create(SECOND_NO)

    assert after.qr_content == other.splitlines()[0]
    assert tron.rail.vouches_for(TRADE_NO, before)
    assert tron.rail.vouches_for(SECOND_NO, after)
    assert (tron.create(), tron.seen(TRADE_NO)) == (before, NOTHING)


def test_an_address_from_a_change_that_still_waits_is_not_shown(tron, database):
    checkout = tron.create()
    theirs = shown(Network.TRC20, THEIRS)
    source = tron.receiving.set_source(Kind.TRON, theirs, NOW, by="thief", in_force_at=tron.clock() + 60 * MINUTE)
    altered = {"address": THEIRS, "number": 0, "source": source.id}

    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$set": altered})

    assert not tron.rail.vouches_for(TRADE_NO, replace(checkout, prepay_id=theirs, qr_content=theirs))
    with pytest.raises(UpstreamError, match="not the owner's"):
        tron.rail.query(TRADE_NO)


@pytest.mark.parametrize("source", ["", "0" * 32])
def test_an_address_that_names_another_source_than_its_own_is_not_shown(tron, database, source):
    checkout = tron.create()

    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$set": {"source": source or None}})

    assert not tron.rail.vouches_for(TRADE_NO, checkout)


def test_an_address_stored_before_sources_had_ids_belongs_to_the_key_of_then(make, database):
    seal_as_before(database, Kind.TRON, XPUB_TRON)
    tron = make(Network.TRC20, is_set_up=False)
    give_node(tron.receiving, Network.TRC20, tron.net.node, NOW)
    checkout = tron.create()
    database["payment_addresses"].update_one({"_id": TRADE_NO}, {"$unset": {"source": 1, "number": 1}})
    as_it_was = tron.rail.vouches_for(TRADE_NO, checkout)

    give_source(tron.receiving, Kind.TRON, shown(Network.TRC20, THEIRS), NOW)

    assert (as_it_was, tron.rail.vouches_for(TRADE_NO, checkout)) == (True, True)
    assert tron.create(SECOND_NO).qr_content == shown(Network.TRC20, THEIRS)


# --- how many are left ------------------------------------------------------------------------------------------------


def test_a_list_is_given_out_to_its_end_and_then_the_network_is_not_offered(make):
    tron = make(Network.TRC20, is_set_up=False)
    receive(tron.receiving, Kind.TRON, a_list(tron, 2, 0), {Network.TRC20: tron.net.node}, NOW)
    has_room = [make(Network.TRC20, is_set_up=False).rail.has_room()]

    given = [tron.create(TRADE_NO).qr_content, tron.create(SECOND_NO).qr_content]
    has_room.append(make(Network.TRC20, is_set_up=False).rail.has_room())
    failure = failure_of(lambda: tron.create(THIRD_NO))

    assert given == [ADDRESSES_TRON[2], ADDRESSES_TRON[0]]
    assert has_room == [True, False]
    assert failure is not None
    assert (failure.message, failure.retryable, failure.maybe_applied) == ("no address is left", False, False)
    assert tron.create(TRADE_NO).qr_content == given[0]


def test_no_more_than_the_gap_limit_are_given_out_in_a_row_without_money(shop):
    for number in range(GAP_LIMIT):
        last = shop.create(f"{number:024}001")
    failure = failure_of(lambda: shop.create())

    shop.net.send(last.qr_content, PRICE)
    shop.seen(f"{GAP_LIMIT - 1:024}001")

    assert failure is not None
    assert failure.message == "no address is left"
    assert shop.create().qr_content
    assert shop.rail.stock() == Stock(GAP_LIMIT - 1, is_list=False)


def test_an_older_register_that_was_put_back_is_noticed_by_a_process_that_has_not_seen_the_newer(make, database):
    tron = make(Network.TRC20)
    old = database["receiving"].find_one({"_id": "source:TRON"})
    source = give_source(tron.receiving, Kind.TRON, shown(Network.TRC20, THEIRS), NOW)
    tron.receiving.switch_on(Network.TRC20, source, NOW, by="owner")
    tron.create()

    database["receiving"].replace_one({"_id": "source:TRON"}, old)
    fresh = make(Network.TRC20, is_set_up=False)

    assert fresh.rail.has_room() is False
    with pytest.raises(UpstreamError, match="an older one was put back"):
        fresh.rail.stock()


# --- what it cannot do ----------------------------------------------------------------------------------------------


def test_no_money_can_be_sent_back_from_here(shop):
    checkout = shop.create()
    shop.net.send(checkout.qr_content, PRICE)
    shop.net.finalize()
    asked = shop.net.calls()

    with pytest.raises(UpstreamError) as caught:
        shop.rail.refund(refund_request_id="R1", prepay_id=checkout.prepay_id, amount=usdt("75"), reason="Refund")

    assert (caught.value.retryable, caught.value.maybe_applied) == (False, False)
    told = shop.rail.query_refund("R1", "USDT", trade_no=TRADE_NO)
    assert told == RefundSeen("R1", told.asked_at, None, TRADE_NO)
    assert shop.net.calls() == asked


# --- a node that is away --------------------------------------------------------------------------------------------


def test_while_one_networks_node_is_away_it_is_left_alone_and_the_others_go_on(make):
    shops = {network: make(network) for network in Network}
    away = shops[Network.BEP20]
    away.create()
    away.net.breaks("refuse")

    failures = [failure_of(lambda: away.rail.query(TRADE_NO)) for _ in range(5)]
    asked = away.net.calls()
    held_back = failure_of(lambda: away.rail.query(TRADE_NO))

    assert all(failures)
    assert not any(isinstance(one, HeldBack) for one in failures)
    assert isinstance(held_back, HeldBack)
    assert away.net.calls() == asked
    assert {network: one.rail.state().open for network, one in shops.items()} == {
        Network.TRC20: False,
        Network.BEP20: True,
        Network.ERC20: False,
    }
    for network, number in ((Network.TRC20, SECOND_NO), (Network.ERC20, THIRD_NO)):
        shops[network].net.send(shops[network].create(number).qr_content, PRICE)
        assert shops[network].seen(number) == in_a_block()


def test_a_network_is_offered_again_once_its_node_has_answered_and_not_when_the_pause_is_over(make):
    """Otherwise whoever comes between two of the watcher's tries is given an address that nobody can look at."""
    shop = make(Network.ERC20)
    shop.create()
    shop.net.breaks("refuse", times=6)
    failures = [failure_of(lambda: shop.rail.query(TRADE_NO)) for _ in range(5)]

    shop.clock.ahead = timedelta(seconds=11)
    over = shop.rail.state().open
    assert failure_of(lambda: shop.rail.query(TRADE_NO))
    shop.clock.ahead = timedelta(seconds=100)
    shop.seen()

    assert all(failures)
    assert over
    assert not shop.rail.state().open


def test_a_node_that_answers_again_is_asked_again_and_the_money_is_there(make):
    shop = make(Network.ERC20)
    shop.net.send(shop.create().qr_content, PRICE)
    shop.net.breaks("refuse", times=5)
    failures = [failure_of(lambda: shop.rail.query(TRADE_NO)) for _ in range(5)]
    assert all(failures)
    was_open = shop.rail.state().open

    shop.clock.ahead = timedelta(seconds=11)

    assert was_open
    assert shop.seen() == in_a_block()
    assert not shop.rail.state().open


def test_a_node_that_wants_fewer_calls_gets_none_for_as_long_as_it_says(tron):
    tron.create()
    tron.net.breaks("throttle", times=1)

    first = failure_of(lambda: tron.rail.query(TRADE_NO))
    second = failure_of(lambda: tron.rail.query(TRADE_NO))
    tron.clock.ahead = timedelta(seconds=2)

    assert isinstance(first, AskedToWait)
    assert isinstance(second, HeldBack)
    assert tron.seen() == NOTHING


def test_the_providers_header_goes_with_every_call(tron):
    tron.create()
    with listening(answering(b"", status="500 Internal Server Error")) as provider:
        give_node(tron.receiving, Network.TRC20, NodeAddress(provider.address, "X-Api-Key: one:two"), NOW)

        failure = failure_of(lambda: tron.rail.query(TRADE_NO))

    assert failure is not None
    [request] = provider.requests
    assert b"X-Api-Key: one:two\r\n" in request


# --- whether it is set up -------------------------------------------------------------------------------------------


def test_a_network_is_offered_only_with_its_key_and_its_node_and_once_it_was_switched_on(make):
    def are_set_up() -> dict[Network, bool]:
        return {network: make(network, is_set_up=False).rail.is_set_up() for network in Network}

    shop = make(Network.BEP20, is_set_up=False)
    nothing = are_set_up()
    source = give_source(shop.receiving, Kind.EVM, XPUB_EVM, NOW)
    give_node(shop.receiving, Network.TRC20, shop.net.node, NOW)
    key_here_and_node_there = are_set_up()
    give_node(shop.receiving, Network.BEP20, shop.net.node, NOW)
    not_compared = are_set_up()
    shop.receiving.switch_on(Network.BEP20, source, NOW, by="owner")

    assert not any(nothing.values())
    assert not any(key_here_and_node_there.values())
    assert not any(not_compared.values())
    assert are_set_up() == {Network.TRC20: False, Network.BEP20: True, Network.ERC20: False}


@pytest.mark.parametrize("name", ["source:TRON", "nodes:TRC20", "switch:TRC20"])
def test_a_network_whose_key_or_node_was_altered_is_not_offered(make, database, name):
    make(Network.TRC20)
    kept = database["receiving"].find_one({"_id": name})

    database["receiving"].update_one({"_id": name}, {"$set": {"value": flipped(kept["value"], -1)}})

    assert not make(Network.TRC20, is_set_up=False).rail.is_set_up()


def test_while_the_database_is_away_it_is_as_it_was(tron, settings_env):
    uri = settings_env["MONGODB_URI"]
    with proxy.proxying(proxy.Mongo, proxy.server_of(uri, 27017), proxy.Boundaries()) as port:
        through = connect(proxy.through(uri, port), settings_env["MONGODB_DATABASE"], seconds=0.5)
        rail = OnChain(
            Network.TRC20,
            Http(),
            throttle=tron.rail.throttle,
            receiving=Receiving(through, a_vault(), keep=0.0),
            addresses=PaymentAddresses(through),
            transfers=Transfers(through),
            now=tron.clock,
        )
        before = rail.is_set_up()

    assert (before, rail.is_set_up()) == (True, True)
    through.client.close()


# --- what a refund needs to know ------------------------------------------------------------------------------------


def test_a_transaction_is_told_with_the_head_that_says_whether_it_is_final(shop):
    tx_hash = shop.net.send(shop.net.addresses[0], PRICE)
    head, seen = shop.rail.mined(tx_hash)
    shop.net.finalize()
    later, final = shop.rail.mined(tx_hash)

    assert seen is not None
    assert final == seen
    assert head.finalized < seen.block_number <= later.finalized
    assert [transfer.money for transfer in seen.transfers] == [usdt(PRICE)]
    assert shop.rail.mined("0x" + "7" * 64)[1] is None


def test_a_transaction_of_a_block_that_the_chain_does_not_have_is_not_believed(tron, monkeypatch):
    tx_hash = tron.net.send(tron.net.addresses[0], PRICE)

    def replaced(node: ChainNode, number: int, *, seconds: float) -> Block:
        return Block(number, "0x" + "0" * 64, NOW)

    monkeypatch.setattr(ChainNode, "block", replaced)

    with pytest.raises(UpstreamError, match="a block that the chain does not have"):
        tron.rail.mined(tx_hash)


def test_a_wallet_has_no_code_and_a_contract_has(make):
    bnb = make(Network.BEP20)

    assert not bnb.rail.has_code(THEIRS)
    assert bnb.rail.has_code(Network.BEP20.facts.usdt)


# --- two nodes ------------------------------------------------------------------------------------------------------


@dataclass
class Second:
    """What the second node said, in our words."""

    told: list[tuple[bool, str]]

    def __call__(self, is_well: bool, why: str) -> None:
        self.told.append((is_well, why))


@pytest.fixture
def two(make) -> tuple[Shop, Second]:
    """TRON with two nodes of the same chain."""
    shop, second = make(Network.TRC20), Second([])
    url = f"{shop.net.servers.sandbox}/chains/TRC20/nodes/2/jsonrpc"
    now = shop.clock()
    shop.receiving.set_nodes(Network.TRC20, (shop.net.node, NodeAddress(url)), now, by="anna", in_force_at=now)
    shop.rail._on_second = second
    return shop, second


def of_second(shop: Shop, fault: str, times: int = 100) -> None:
    shop.net.control("faults", {"fault": fault, "times": times, "node": 2})


def test_money_is_proven_when_both_nodes_tell_of_the_same_final_transfer(two):
    shop, second = two
    shop.net.send(shop.create().qr_content, PRICE)
    shop.net.finalize()

    assert shop.seen() == proven()
    assert second.told == [(True, "")]


@pytest.mark.parametrize("fault", ["refuse", "lag", "lie", "empty"])
def test_while_the_second_node_is_away_behind_or_says_otherwise_nothing_is_proven(two, fault):
    shop, second = two
    shop.net.send(shop.create().qr_content, PRICE)
    shop.net.finalize()
    of_second(shop, fault)

    assert shop.seen() == in_a_block()
    assert all(not is_well for is_well, _ in second.told)


@pytest.mark.parametrize("fault", ["refuse", "lag"])
def test_an_order_is_closed_as_unpaid_only_when_both_have_read_far_enough(two, fault):
    shop, _ = two
    shop.create()
    shop.closed_a_minute_ahead()
    shop.block_after_the_close()
    of_second(shop, fault, times=3)

    answers = [shop.seen() for _ in range(5)]

    assert answers[0] == NOTHING
    assert answers[-1] == OVER


def test_money_that_only_the_second_node_tells_of_keeps_the_order_open_and_is_told(two):
    shop, second = two
    shop.create()
    shop.closed_a_minute_ahead()
    shop.net.send(shop.net.addresses[0], PRICE)
    shop.block_after_the_close()
    shop.net.breaks("empty")

    assert shop.seen()[0] is not Remote.EXPIRED
    assert "only the second node tells of transaction" in second.told[-1][1]


def test_a_refund_is_final_when_both_nodes_tell_of_it(two):
    shop, second = two
    tx_hash = shop.net.send(shop.net.addresses[-1], PRICE)
    shop.net.finalize()
    of_second(shop, "empty", times=1)

    (before, mined), (after, _) = (shop.rail.mined(tx_hash) for _ in range(2))

    assert mined is not None
    assert before.finalized < mined.block_number <= after.finalized
    assert [is_well for is_well, _ in second.told] == [False, True]


def test_below_the_amount_from_which_two_are_asked_one_is_enough(two):
    shop, second = two
    shop.rail._two_nodes_from = usdt("75.01")
    shop.net.send(shop.create().qr_content, PRICE)
    shop.net.finalize()
    of_second(shop, "refuse")

    assert shop.seen() == proven()
    assert second.told == []


def test_a_payment_that_lacks_no_more_than_a_senders_fee_is_told_at_once_with_what_arrived(tron):
    tron.rail._tolerance = Decimal(1)
    address = tron.create().qr_content
    tron.net.send(address, "74.249999")
    too_little = tron.seen()
    tron.net.send(address, "0.000001")

    seen = tron.seen()
    tron.net.finalize()

    assert (too_little, seen, tron.seen()) == (a_part("74.249999"), in_a_block("74.25"), proven("74.25"))


# --- addresses that are given out again -----------------------------------------------------------------------------


def time_passes(shop: Shop, **span: float) -> None:
    """For us and for the chain, which has a block after it."""
    shop.clock.ahead += timedelta(**span)
    shop.net.servers.control("clock", {"advance_s": timedelta(**span).total_seconds()})
    shop.net.mine()


def given_again(shop: Shop, rest: Rest = Rest.READY) -> str:
    """The first order was paid, and had the address for itself; the second asks for one 91 days later. Answers what
    that one is shown."""
    shop.rail._rest_of = lambda trade_nos: rest
    shop.receiving.give_again(shop.net.network.facts.kind, shop.clock(), by="owner", is_on=True)
    shop.net.send(shop.create().qr_content, PRICE)
    shop.net.finalize()
    watched(shop)
    time_passes(shop, days=91)
    return shop.create(SECOND_NO).qr_content


def watched(shop: Shop) -> None:
    """What the watcher does for the address that was given out first."""
    given, head, stored = shop.given.find(TRADE_NO), shop.rail.head(), shop.rail._transfers
    found = shop.rail.arrivals([given.address], given.from_blocks[shop.net.network], head.number)
    network, until = shop.net.network, head.number
    stored.store(stored.compared(given.group, network, -1, found, until=until, final=head.finalized))
    stored.advance(given.group, network, head.finalized, shop.clock())


def test_by_default_no_address_is_given_out_again(shop: Shop):
    shop.rail._rest_of = lambda trade_nos: Rest.READY
    first = shop.create().qr_content
    time_passes(shop, days=900)

    assert shop.create(SECOND_NO).qr_content != first


def test_an_address_that_has_rested_is_given_out_before_a_fresh_one_if_the_owner_wants_it(shop: Shop):
    assert given_again(shop) == shop.net.addresses[0]
    assert shop.create(SECOND_NO).qr_content == shop.net.addresses[0], "the same each time"
    assert shop.create(THIRD_NO).qr_content == shop.net.addresses[1], "it has a holder again"


@pytest.mark.parametrize("rest", [Rest.LATER, Rest.NEVER])
def test_an_address_whose_bookings_do_not_let_it_go_is_not_given_out_again(tron: Shop, rest: Rest):
    assert given_again(tron, rest) == tron.net.addresses[1]


def test_an_address_that_rested_for_less_than_ninety_days_is_not_given_out_again(tron: Shop):
    tron.rail._rest_of = lambda trade_nos: Rest.READY
    tron.receiving.give_again(Kind.TRON, tron.clock(), by="owner", is_on=True)
    tron.create()
    time_passes(tron, days=89)

    assert tron.create(SECOND_NO).qr_content == tron.net.addresses[1]


def test_what_arrived_since_the_watcher_last_looked_keeps_an_address_from_being_given_out_again(tron: Shop):
    tron.rail._rest_of = lambda trade_nos: Rest.READY
    tron.receiving.give_again(Kind.TRON, tron.clock(), by="owner", is_on=True)
    first = tron.create().qr_content
    time_passes(tron, days=91)
    tron.net.send(first, "1")

    assert tron.create(SECOND_NO).qr_content == tron.net.addresses[1]


def test_the_present_holder_pays_and_the_earlier_ones_money_is_not_counted_for_it(shop: Shop):
    address = given_again(shop)
    before = shop.seen(SECOND_NO)

    shop.net.send(address, PRICE)
    seen = shop.seen(SECOND_NO)
    shop.net.finalize()

    assert (before, seen, shop.seen(SECOND_NO)) == (NOTHING, in_a_block(), proven())
    assert shop.seen(TRADE_NO) == proven(), "and the present holder's is none of the earlier one's"


@pytest.mark.parametrize("amount", ["74.99", "75.01", "37.5", "150"])
def test_any_other_amount_at_such_an_address_waits_for_the_owner(shop: Shop, amount: str):
    address = given_again(shop)
    shop.net.send(address, amount)
    early = shop.rail.held_back(SECOND_NO)
    shop.net.finalize()

    assert shop.seen(SECOND_NO) == NOTHING
    assert early == [], "what is not final may be gone again"
    assert [(one.money, why) for one, why in shop.rail.held_back(SECOND_NO)] == [(usdt(amount), Held.EARLIER_HOLDER)]
    assert (shop.seen(TRADE_NO), shop.rail.held_back(TRADE_NO)) == (proven(), [])


def test_no_tolerance_for_a_senders_fee_reaches_an_address_with_an_earlier_holder(tron: Shop):
    tron.rail._tolerance = Decimal(2)
    address = given_again(tron)
    tron.net.send(address, "74.5")
    tron.net.finalize()

    assert tron.seen(SECOND_NO) == NOTHING


def test_exactly_the_amount_after_the_time_to_pay_waits_for_the_owner(tron: Shop):
    address = given_again(tron)
    time_passes(tron, minutes=32)
    tron.net.send(address, PRICE)
    tron.net.finalize()

    assert tron.seen(SECOND_NO) == NOTHING
    assert [one.money for one, _ in tron.rail.held_back(SECOND_NO)] == [usdt(PRICE)]


def test_a_second_payment_at_such_an_address_waits_and_the_first_still_counts(tron: Shop):
    address = given_again(tron)
    for _ in range(2):
        tron.net.send(address, PRICE)
    tron.net.finalize()

    assert tron.seen(SECOND_NO) == proven()
    assert [one.money for one, _ in tron.rail.held_back(SECOND_NO)] == [usdt(PRICE)]


def test_dust_at_such_an_address_is_told_to_nobody(tron: Shop):
    address = given_again(tron)
    tron.net.send(address, "0.009")
    tron.net.send(address, PRICE)
    tron.net.finalize()

    assert tron.rail.held_back(SECOND_NO) == []
    assert tron.seen(SECOND_NO) == proven("75.009")


def test_an_order_that_holds_one_transfer_has_exactly_that_money_once_it_is_final(tron: Shop):
    address = given_again(tron)
    tron.net.send(address, "70")
    tron.net.send(address, "5")
    tron.net.finalize()
    first, second = (one for one, _ in tron.rail.held_back(SECOND_NO))
    given = tron.given.find(SECOND_NO)

    tron.given.share(given, THIRD_NO, Network.TRC20, tron.clock(), transfer=first.name)

    assert tron.seen(THIRD_NO) == proven("70")
    assert second.money == usdt("5")
    assert tron.seen(SECOND_NO) == NOTHING


def test_an_order_is_not_closed_while_something_for_its_address_may_still_become_final(tron: Shop):
    address = given_again(tron)
    tron.net.send(address, "70")
    tron.clock.ahead += MINUTE
    tron.rail.close(SECOND_NO)
    tron.net.servers.control("clock", {"advance_s": 62})
    tron.net.mine()

    waiting = tron.seen(SECOND_NO)
    tron.net.finalize()

    assert (waiting, tron.seen(SECOND_NO)) == (NOTHING, OVER)


def test_usdt_on_the_other_network_of_an_address_with_an_earlier_holder_waits_too(make: Make):
    ethereum, bnb_chain = make(Network.ERC20), make(Network.BEP20, is_set_up=False)
    receive(bnb_chain.receiving, Kind.EVM, XPUB_EVM, {Network.BEP20: bnb_chain.net.node}, NOW)
    address = given_again(ethereum)
    bnb_chain.clock.ahead = ethereum.clock.ahead
    bnb_chain.net.send(address, PRICE)
    bnb_chain.net.finalize()

    assert [one.money for one, _ in bnb_chain.rail.held_back(SECOND_NO)] == [usdt(PRICE)]


def test_addresses_that_may_be_given_out_again_are_counted_as_left(tron: Shop):
    tron.rail._rest_of = lambda trade_nos: Rest.READY
    tron.create()
    time_passes(tron, days=91)
    without = tron.rail.stock()
    tron.receiving.give_again(Kind.TRON, tron.clock(), by="owner", is_on=True)
    tron.rail.count_again()

    assert (without.resting, tron.rail.stock().resting) == (0, 1)
    assert tron.rail.stock().left == without.left + 1


def test_of_a_transaction_is_told_apart_what_counts_what_waits_and_what_was_before(tron: Shop):
    address = given_again(tron)
    for amount in ("70", PRICE):
        tron.net.send(address, amount)
    tron.net.finalize()
    given = tron.given.find(TRADE_NO)
    first = given.from_blocks[Network.TRC20]
    of_all = tron.rail.arrivals([given.address], first, tron.rail.head().number)

    counting, waiting = tron.rail.told_apart(SECOND_NO, of_all)

    assert ([one.money for one in of_all], [one.money for one in counting], [one.money for one in waiting]) == (
        [usdt(PRICE), usdt("70"), usdt(PRICE)],
        [usdt(PRICE)],
        [usdt("70")],
    )
