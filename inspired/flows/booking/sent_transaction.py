"""“I sent it”: what we see of a transaction whose hash the customer names. Nothing of it is stored, and nothing is
believed: money counts when the order's rail is asked, which happens at once."""

import re

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared.errors import Invalid, NotFound
from inspired.domain.shared.messages import Message, MessageId
from inspired.domain.shared.networks import Network, Transfer, money_of
from inspired.flows.booking.chain_watching import ASK_AGAIN
from inspired.services import Services

SECONDS = 1.2  # for each network
LONGEST = 300
HASH = re.compile(r"(?<![0-9a-zA-Z])(?:0x)?([0-9a-fA-F]{64})(?![0-9a-zA-Z])")


def networks_of(booking: Booking) -> tuple[Network, ...]:
    """Where its addresses can have been paid: an EVM address on both EVM networks, the one asked for first."""
    asked = [network for order in booking.orders if (network := CAPABILITIES[order.rail].network) is not None]
    kinds = {network.facts.kind for network in asked}
    return tuple(dict.fromkeys([*asked, *(network for network in Network if network.facts.kind in kinds)]))


def look(svc: Services, booking: Booking, text: str) -> Message:
    """Raises Invalid if there is no transaction's hash in the text, NotFound if the booking is not paid on chain, and
    UpstreamError if a node does not answer."""
    networks = networks_of(booking)
    if not networks:
        raise NotFound("This booking is not paid on chain.")
    found = HASH.search(text[:LONGEST])
    if found is None:
        raise Invalid(
            "This is no transaction’s hash: 64 letters and digits, which your wallet or exchange shows once sent.",
            {"transaction": "is no transaction’s hash"},
        )
    ours = _addresses(svc, booking)
    for network in networks:
        chain = svc.chains[network]
        if not chain.can_ask():
            continue
        head, mined = chain.mined(f"0x{found[1].lower()}", seconds=SECONDS)
        if mined is None:
            continue
        there = [one for one in mined.transfers if one.recipient in ours]
        if not there:
            said = MessageId.SENT_ELSEWHERE if mined.transfers else MessageId.SENT_NO_USDT
            return Message.of(said, rail=RailId(network))
        counting: list[Transfer] = []
        waiting: list[Transfer] = []
        for address, trade_no in ours.items():
            here = [one for one in there if one.recipient == address]
            parts = chain.told_apart(trade_no, here, seconds=SECONDS) if here else ([], [])
            counting, waiting = counting + parts[0], waiting + parts[1]
        if not (arrived := counting + waiting):
            return Message.of(MessageId.SENT_NOT_YOURS, rail=RailId(network))
        due = svc.now() + ASK_AGAIN
        for trade_no in svc.payment_addresses.mark(network, {one.recipient for one in arrived}, due):
            svc.queue.enqueue_webhook("tell_of_transfers", trade_no)
        money = money_of(network, sum(one.units for one in arrived))
        is_final = mined.block_number <= head.finalized
        if waiting:
            return Message.of(MessageId.SENT_HELD, amount=money, rail=RailId(network))
        return Message.of(MessageId.SENT_FINAL if is_final else MessageId.SENT_SEEN, amount=money, rail=RailId(network))
    return Message.of(MessageId.SENT_NOT_SEEN, rail=RailId(networks[0]))


def _addresses(svc: Services, booking: Booking) -> dict[str, str]:
    """The trade number of the order it was given to, by address."""
    found = (svc.payment_addresses.find(order.trade_no) for order in booking.orders if order.is_offered)
    return {given.address: given.trade_no for given in found if given is not None}
