"""Drills: USDT sent on chain. What is seen before it is final, what is sent wrongly, and nodes that fail or lie."""

from inspired.adapters.crypto import chain_addresses
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import booking as bookings
from inspired.flows.booking import payment, refunding, screening, wallet_refunds
from inspired.flows.site import receiving, sandbox_chains
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, Play

GROUP = Group("USDT on chain")
TRON, BNB_CHAIN, ETHEREUM = Network.TRC20, Network.BEP20, Network.ERC20
OWNER = "owner"
ANNS_WALLET = chain_addresses.shown(TRON, "0x" + "a7" * 20)
ELSEWHERE = chain_addresses.shown(TRON, "0x" + "5e" * 20)  # belongs to no booking
OWNERS_WALLET = chain_addresses.shown(TRON, sandbox_chains.OWNERS_WALLET)


def _held(play: Play, network: Network = TRON, *, email: str = ANN) -> Booking:
    """On this network. The watcher runs, as it does all the time."""
    play.chains.watch()
    return play.hold(email=email, rail=RailId(network))


def _check_waits_for_wallet(play: Play, booking: Booking, amount: str) -> None:
    """The owner was told, and nothing of this site can send it."""
    waiting = [str(one.amount) for one in play.now_of(booking).refunds if not one.is_gone]
    play.check(f"{amount} USDT wait for the owner’s wallet.", waiting == [amount])
    play.check_owner_told("does not match the price")


def _is_confirmed(play: Play, booking: Booking) -> bool:
    return play.now_of(booking).confirmed_at is not None


@GROUP.drill(
    "chain-paid",
    "Paid on chain",
    happens="75 USDT are sent to the booking’s address on TRON. Some blocks later the network makes that final.",
    should="As soon as it is in a block the page says “seen”. Confirmation, mail and books wait until it is final.",
)
def paid(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking)
    play.pass_time(seconds=6)
    play.scene("Ann’s 75 USDT are in a block.")
    play.check_state(booking, State.PAID)
    play.check_mails(ANN, "Confirmed", 0)
    play.check_kept("0", "trc20")
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.scene("They are final.")
    play.check_state(booking, State.CONFIRMED)
    play.check_told(booking, MessageId.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-slow-network",
    "Paid on Ethereum, which takes its time",
    happens="75 USDT are sent on Ethereum, where a quarter of an hour until it is final is usual.",
    should="The page says “seen” all the while, and nobody is alarmed. Then the call is confirmed.",
)
def slow_network(play: Play) -> None:
    booking = _held(play, ETHEREUM)
    play.chains.send(booking, network=ETHEREUM)
    play.pass_time(seconds=12)
    play.check_state(booking, State.PAID)
    play.watch(minutes=15)
    play.scene("A quarter of an hour later.")
    play.check_state(booking, State.PAID)
    play.check_owner_told("", 0)
    play.chains.finalize(ETHEREUM)
    play.pass_time(seconds=31)
    play.scene("Ethereum has made it final.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "erc20")


@GROUP.drill(
    "chain-taken-back",
    "The network takes a payment back",
    happens="75 USDT were seen. Then the network replaces the block, and the payment is gone. It is sent again.",
    should="The booking waits for money again, and its history says why. Nothing was confirmed or booked by what was "
    "taken back; the second payment confirms the call.",
)
def taken_back(play: Play) -> None:
    booking = _held(play)
    sent = play.chains.send(booking)
    play.pass_time(seconds=6)
    play.check_state(booking, State.PAID)
    play.scene("Ann’s payment was seen.")
    play.chains.reorganise(depth=2, drop=(sent,))
    play.pass_time(seconds=6)
    play.scene("The network has replaced its block.")
    play.check_state(booking, State.PENDING)
    kinds = [event.kind for event in play.now_of(booking).history]
    play.check("The history says that it was taken back.", EventKind.TAKEN_BACK in kinds)
    play.check_mails(ANN, "Confirmed", 0)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.scene("Ann has sent it again.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-moved-block",
    "A payment moves to another block",
    happens="The network replaces the block of a payment that was seen, and takes it into another one.",
    should="It is the same payment: counted once, and the call is confirmed once.",
)
def moved_block(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking)
    play.pass_time(seconds=6)
    play.scene("Ann’s payment was seen.")
    play.chains.reorganise(depth=2)
    play.pass_time(seconds=6)
    play.scene("It stands in another block.")
    play.check_state(booking, State.PAID)
    play.chains.finalize()
    for _ in range(2):
        play.pass_time(seconds=6)
    play.scene("It is final.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-in-parts",
    "Paid on chain in several parts",
    happens="An exchange allows 30 USDT at a time, so 30, 30 and 15 are sent to the booking’s address.",
    should="They add up. The call is confirmed by the one that completes the price, and waits until all are final.",
)
def in_parts(play: Play) -> None:
    booking = _held(play)
    for amount in ("30", "30"):
        play.chains.send(booking, amount)
        play.pass_time(seconds=6)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("60 of 75 USDT have come.")
    play.check_state(booking, State.PENDING)
    last = play.chains.send(booking, "15")
    play.pass_time(seconds=6)
    play.check_state(booking, State.PAID)
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.scene("The rest has come.")
    play.check_state(booking, State.CONFIRMED)
    order = play.now_of(booking).orders[-1]
    play.check("The transaction shown is the one that completed it.", order.transaction_id == last)
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-too-little",
    "Too little is sent on chain",
    happens="70 USDT arrive for a call of 75, and no more until the time to pay is over.",
    should="Nothing is confirmed, and the time is free. What came waits for a refund that the owner sends from the "
    "wallet, and the owner is told.",
)
def too_little(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking, "70")
    play.chains.finalize()
    play.pass_time(minutes=20)
    play.scene("70 USDT have come.")
    play.check_state(booking, State.PENDING)
    play.pass_time(minutes=12)
    for _ in range(3):
        play.pass_time(seconds=31)
    play.scene("The time to pay is over.")
    play.check("The call is not confirmed.", not _is_confirmed(play, booking))
    play.check_mails(ANN, "Confirmed", 0)
    _check_waits_for_wallet(play, booking, "70")
    play.check_kept("70", "trc20")
    play.check_free(booking, is_free=True)


@GROUP.drill(
    "chain-sent-twice",
    "The price is sent twice",
    happens="The call is paid and confirmed. Then the same amount comes once more, to the same address.",
    should="The call stays confirmed. The surplus is booked, and waits for the owner’s wallet: this site cannot send.",
)
def sent_twice(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.chains.send(booking)
    play.chains.finalize()
    for _ in range(2):
        play.pass_time(seconds=31)
    play.scene("Ann has sent it once more.")
    play.check("The call stays confirmed.", play.now_of(booking).state is State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    _check_waits_for_wallet(play, booking, "75")
    play.check_kept("150", "trc20")


def _over(play: Play, booking: Booking) -> None:
    """Nobody has paid in time, and a block after the end has shown it."""
    play.pass_time(minutes=32)
    play.pass_time(seconds=31)


@GROUP.drill(
    "chain-late-and-free",
    "Sent on chain too late, and the time is still free",
    happens="An exchange takes hours: the USDT arrive long after the time to pay. Nobody else has taken the time.",
    should="The watcher finds them, the customer gets the time back, and the call is confirmed.",
)
def late_and_free(play: Play) -> None:
    booking = _held(play)
    _over(play, booking)
    play.scene("Nobody has paid in time.")
    play.check_state(booking, State.EXPIRED)
    play.check_free(booking, is_free=True)
    play.pass_time(hours=5)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.scene("Five hours later the money arrives.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-late-and-taken",
    "Sent on chain too late, and the time is taken",
    happens="Ann’s USDT arrive when Bob has her time.",
    should="Bob keeps his call. Ann chooses another time, and has it.",
)
def late_and_taken(play: Play) -> None:
    booking = _held(play)
    _over(play, booking)
    slot = play.now_of(booking).slot
    other = play.hold(email=BOB, span=slot.span if slot else None, rail=RailId.BEP20)
    play.chains.send(other, network=BNB_CHAIN)
    play.chains.finalize(BNB_CHAIN)
    play.pass_time(seconds=31)
    play.scene("Bob has the time that was Ann’s.")
    play.check_state(other, State.CONFIRMED)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("Now Ann’s money arrives.")
    play.check_told(booking, MessageId.CHOOSE_LATE)
    play.check_owner_told("Money arrived after the time to pay was over")
    bookings.choose_another_time(play.svc, booking.token, play.times()[-10].start, "Europe/Berlin")
    play.work()
    play.scene("Ann has chosen another time.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_state(other, State.CONFIRMED)
    play.check_kept("75", "trc20")
    play.check_kept("75", "bep20")


@GROUP.drill(
    "chain-other-network",
    "Sent on the other network",
    happens="Ann is asked to pay on BNB Chain. Her exchange sends on Ethereum, where the address is the same.",
    should="It is found there, counted, and booked on Ethereum, where it lies. The history says so.",
)
def other_network(play: Play) -> None:
    booking = _held(play, BNB_CHAIN)
    play.chains.send(booking, network=ETHEREUM)
    play.chains.finalize(ETHEREUM)
    for _ in range(2):
        play.pass_time(seconds=31)
    play.scene("The money is on Ethereum.")
    play.check("The call is confirmed.", play.now_of(booking).state is State.CONFIRMED)
    kinds = [event.kind for event in play.now_of(booking).history]
    play.check("The history says on which network it came.", EventKind.OTHER_NETWORK in kinds)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "erc20")
    play.check_kept("0", "bep20")


@GROUP.drill(
    "chain-false-token",
    "Another token that calls itself USDT",
    happens="75 of a token whose name is USDT, and a transfer of nothing, are sent to the booking’s address.",
    should="Neither counts: the booking goes on waiting, and nobody is told of them.",
)
def false_token(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking, of="FAKE")
    play.chains.send(booking, "0")
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("False USDT, and a transfer of nothing.")
    play.check_state(booking, State.PENDING)
    _over(play, booking)
    play.scene("The time to pay is over.")
    play.check_state(booking, State.EXPIRED)
    play.check_owner_told("", 0)
    play.check_kept("0", "trc20")


@GROUP.drill(
    "chain-dust",
    "Dust is sent to an address",
    happens="Somebody sends 0.000001 USDT to both addresses, as swindlers do to stand in lists of payments.",
    should="It is booked, confirms nothing and stops nothing: one call is paid as usual, the other ends unpaid, and "
    "nobody is told of the dust.",
)
def dust(play: Play) -> None:
    booking, other = _held(play), play.hold(email=BOB, rail=RailId.TRC20)
    for one in (booking, other):
        play.chains.send(one, "0.000001")
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.check_state(booking, State.PENDING)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("Ann has paid; Bob has not.")
    play.check_mails(ANN, "Confirmed")
    _over(play, other)
    play.scene("The time to pay is over.")
    play.check_state(booking, State.CONFIRMED)
    play.check_state(other, State.EXPIRED)
    play.check_mails(BOB, "Not paid")
    play.check_owner_told("does not match the price", 0)
    play.check_kept("75.000002", "trc20")


@GROUP.drill(
    "chain-address-altered",
    "Somebody puts another address into the database",
    happens="Whoever can write to the database puts an address of their own in place of the booking’s. Somebody "
    "sends 75 USDT there. Later the address is put back, and the watcher started anew.",
    should="The other address is never shown, and money that goes there counts for nothing. With the right address "
    "back the call is paid as usual.",
)
def address_altered(play: Play) -> None:
    booking = _held(play)
    own = play.chains.address_of(booking)
    play.check("The address is shown.", payment.checkout_of(play.svc, play.now_of(booking)) is not None)
    play.chains.alter_address(booking, ELSEWHERE)
    play.scene("There is another address in the database.")
    play.check("No address is shown.", payment.checkout_of(play.svc, play.now_of(booking)) is None)
    play.chains.send(booking, to=ELSEWHERE)
    play.chains.finalize()
    for _ in range(3):
        play.pass_time(seconds=31)
    play.scene("75 USDT were sent to it.")
    play.check_state(booking, State.PENDING)
    play.check_kept("0", "trc20")
    play.chains.alter_address(booking, own)
    play.chains.restart_watcher()
    play.check("The right address is shown again.", payment.checkout_of(play.svc, play.now_of(booking)) is not None)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("The right address is back, and Ann has paid.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-node-away",
    "A network’s node is away",
    happens="TRON’s node refuses every connection for a quarter of an hour. Ann pays meanwhile; Bob wants to book.",
    should="New bookings are offered the other ways to pay, and the owner is told. Ann loses nothing: her payment is "
    "found when the node is back.",
)
def node_away(play: Play) -> None:
    booking = _held(play)
    play.pass_time(seconds=6)
    play.chains.break_node("refuse")
    play.chains.send(booking)
    for _ in range(5):
        play.pass_time(seconds=5)
    play.scene("The node has been away for half a minute. Ann has paid.")
    play.check_state(booking, State.PENDING)
    ways = payment.offered(play.svc)
    play.check("TRON is not offered.", RailId.TRC20 not in ways)
    play.check("All other ways are.", set(ways) == {RailId.BINANCE_PAY, RailId.BEP20, RailId.ERC20})
    play.check("Bob is told so if he wants TRON, and nothing was held.", _is_refused(play, RailId.TRC20))
    other = play.hold(email=BOB, rail=RailId.BEP20)
    play.chains.send(other, network=BNB_CHAIN)
    play.chains.finalize(BNB_CHAIN)
    play.pass_time(seconds=31)
    play.check_state(other, State.CONFIRMED)
    play.watch(minutes=12)
    play.scene("It has been away for twelve minutes; Bob has paid on BNB Chain.")
    play.check_owner_told("A network on which USDT is taken is not read")
    play.mend_calls("chains/TRC20/faults")
    play.chains.finalize()
    for _ in range(4):
        play.pass_time(minutes=1)
    play.scene("The node is back.")
    play.check_state(booking, State.CONFIRMED)
    play.check("TRON is offered again.", RailId.TRC20 in payment.offered(play.svc))
    play.check_kept("75", "trc20")
    play.check_kept("75", "bep20")


@GROUP.drill(
    "chain-nodes-differ",
    "Two nodes do not agree",
    happens="TRON is read by two nodes. The second one does not answer, and later says that nothing was paid. Ann has "
    "paid.",
    should="Ann’s page says that her payment was seen. Nothing is confirmed before both nodes tell of it. The owner is "
    "told.",
)
def nodes_differ(play: Play) -> None:
    play.chains.set_second_node()
    booking = _held(play)
    play.chains.send(booking)
    play.chains.finalize()
    play.chains.break_node("refuse", node=2)
    play.pass_time(seconds=31)
    play.scene("Ann has paid; the second node does not answer.")
    play.check_state(booking, State.PAID)
    play.mend_calls("chains/TRC20/faults")
    play.chains.break_node("empty", node=2)
    play.pass_time(seconds=31)
    play.watch(minutes=1)
    play.scene("The second node says that nothing was paid.")
    play.check_state(booking, State.PAID)
    play.check_mails(ANN, "Confirmed", 0)
    play.check_owner_told("Two nodes of a network do not agree")
    play.mend_calls("chains/TRC20/faults")
    play.pass_time(minutes=1)
    play.scene("Both tell of the payment.")
    play.check_state(booking, State.CONFIRMED)
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-node-hid",
    "A node that hid a payment is replaced",
    happens="TRON’s node does not tell of Ann’s payment, until her time to pay is over. You set another node in its "
    "place.",
    should="What the first node told of is read again: the payment is found, and the call is confirmed, since its time "
    "is still free. You are told that it was hidden.",
)
def node_hid(play: Play) -> None:
    booking = _held(play)
    play.chains.break_node("empty")
    play.chains.send(booking)
    play.chains.finalize()
    play.watch(minutes=40)
    play.scene("The node says that nothing has come, and the time to pay is over.")
    play.check_state(booking, State.EXPIRED)
    play.chains.replace_node()
    play.pass_time(seconds=31)
    play.watch(minutes=1)
    play.scene("Another node is asked.")
    play.check_owner_told("had not told of money")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_kept("75", "trc20")
    play.mend_calls("chains/TRC20/faults")


def _is_refused(play: Play, rail: RailId) -> bool:
    play.skip_time(seconds=2)  # what pages know of it may be a second old
    try:
        play.hold(email=BOB, rail=rail)
    except Conflict:
        return True
    return False


@GROUP.drill(
    "chain-node-lags",
    "A network’s node is behind",
    happens="Ann’s payment was seen. Then the node falls behind it, and meanwhile Bob’s time to pay ends.",
    should="What the node does not know yet undoes nothing, and frees nobody’s time. Both go on when it has caught up.",
)
def node_lags(play: Play) -> None:
    booking, other = _held(play), play.hold(email=BOB, rail=RailId.TRC20)
    play.pass_time(minutes=30)
    play.chains.send(booking)
    play.pass_time(seconds=6)
    play.check_state(booking, State.PAID)
    play.chains.break_node("lag")
    for _ in range(3):
        play.pass_time(seconds=45)
    play.scene("The node has not even reached the block with Ann’s payment.")
    play.check_state(booking, State.PAID)
    play.check_state(other, State.PENDING)
    play.check_free(other, is_free=False)
    play.mend_calls("chains/TRC20/faults")
    play.chains.finalize()
    for _ in range(4):
        play.pass_time(seconds=31)
    play.scene("It has caught up.")
    play.check_state(booking, State.CONFIRMED)
    play.check_state(other, State.EXPIRED)
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-node-lies",
    "A network’s node says something false",
    happens="Ann sends 37.5 USDT. For a while the node says that it was 75, then that it was nothing, then the truth.",
    should="What is not final confirms nothing and is not booked. When the truth is told it is what counts: half is "
    "missing, Ann sends it, and the call is confirmed.",
)
def node_lies(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking, "37.5")
    play.chains.break_node("lie")
    play.pass_time(seconds=31)
    play.scene("The node says: 75 USDT.")
    play.check("The call is not confirmed.", not _is_confirmed(play, booking))
    play.check_mails(ANN, "Confirmed", 0)
    play.check_kept("0", "trc20")
    play.mend_calls("chains/TRC20/faults")
    play.chains.break_node("empty")
    play.pass_time(seconds=31)
    play.scene("The node says: nothing.")
    play.check_state(booking, State.PENDING)
    play.mend_calls("chains/TRC20/faults")
    play.chains.send(booking, "37.5")
    play.chains.finalize()
    for _ in range(2):
        play.pass_time(seconds=31)
    play.scene("The node tells the truth, and Ann has sent the other half.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-never-final",
    "A payment does not become final",
    happens="Ann’s payment is seen in time, but the network makes no block final for more than an hour.",
    should="Her time is kept for half an hour beyond the time to pay, and the page says that the network is slow. Then "
    "it is free. When the payment is final after all it is late money: her time is still free, so she has it.",
)
def never_final(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking)
    play.pass_time(seconds=31)
    play.check_state(booking, State.PAID)
    play.pass_time(minutes=32)
    play.scene("The time to pay is over, and nothing is final.")
    play.check_state(booking, State.PAID)
    play.check_told(booking, MessageId.NETWORK_SLOW)
    play.check_free(booking, is_free=False)
    for _ in range(2):
        play.pass_time(minutes=16)
    play.scene("Half an hour later still nothing is final.")
    play.check("The call is not confirmed.", not _is_confirmed(play, booking))
    play.check_told(booking, MessageId.NETWORK_TOO_SLOW)
    play.check_free(booking, is_free=True)
    play.check_kept("0", "trc20")
    play.chains.finalize()
    for _ in range(2):
        play.pass_time(seconds=31)
    play.scene("Now it is final.")
    play.check_state(booking, State.CONFIRMED, Flag.PAID_LATE)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-watcher-dead",
    "The watcher has ended",
    happens="The process that watches the networks is gone. Ann pays in time; Bob’s money comes hours after his time.",
    should="Ann’s payment is found by asking about her booking. The owner is told; Bob’s is found when the watcher "
    "runs again, which then knows nothing but what is in the database.",
)
def watcher_dead(play: Play) -> None:
    booking, other = _held(play), play.hold(email=BOB, rail=RailId.TRC20)
    play.pass_time(seconds=6)
    play.chains.is_watched = False
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("Ann has paid, and nobody watches.")
    play.check_state(booking, State.CONFIRMED)
    _over(play, other)
    for _ in range(3):
        play.pass_time(hours=1)
    play.check_state(other, State.EXPIRED)
    play.chains.send(other)
    play.chains.finalize()
    play.watch(minutes=12)
    play.scene("Hours later Bob’s money is there.")
    play.check_state(other, State.EXPIRED)
    play.check_owner_told("A network on which USDT is taken is not read")
    play.chains.restart_watcher()
    for _ in range(2):
        play.pass_time(seconds=31)
    play.scene("The watcher runs again.")
    play.check_state(other, State.CONFIRMED, Flag.PAID_LATE)
    play.check_mails(BOB, "Confirmed")
    play.check_kept("150", "trc20")


# --- money that goes back -------------------------------------------------------------------------------------------


def _with_refund_to_send(play: Play) -> Booking:
    """A confirmed call that the owner cancelled; Ann has named an address on TRON, and confirmed it."""
    booking = _held(play)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.refund(booking, cancels=True)
    play.scene("The owner has cancelled the call. Ann is asked for an address.")
    play.check_mails(ANN, "Where should 75 USDT go?")
    wallet_refunds.name_address(play.svc, booking.token, TRON, ANNS_WALLET)
    play.work()
    play.check_mails(ANN, "Please confirm your address")
    named = play.now_of(booking)
    address = named.refund_address(TRON)
    play.check("Nothing can be sent before Ann has confirmed the address.", not _is_the_owners(play, named))
    if address is not None:
        secret = wallet_refunds.secret_of(play.svc, named, address)
        wallet_refunds.confirm_address(play.svc, booking.token, TRON, secret)
    play.work()
    play.scene("Ann has confirmed an address.")
    play.check_owner_told("yours to send")
    wallet = chain_addresses.parsed(TRON, play.chains.address_of(booking))
    receiving.name_wallets_at_once(play.svc, Kind.TRON, [wallet])
    return play.now_of(booking)


def _is_the_owners(play: Play, booking: Booking) -> bool:
    try:
        wallet_refunds.to_send(play.svc, booking, booking.refunds[-1].id, OWNER)
    except Conflict:
        return False
    return True


def _entered(play: Play, booking: Booking, tx_hash: str) -> None:
    wallet_refunds.enter_transaction(play.svc, booking.id, booking.refunds[-1].id, tx_hash, OWNER)
    play.work()


@GROUP.drill(
    "chain-refund",
    "A refund from your wallet",
    happens="A call that was paid on TRON is cancelled. Ann names an address and confirms it from her mail; you send "
    "the money from your wallet and enter the transaction.",
    should="Nothing can be sent before Ann has confirmed her address. What is entered counts once it is final; then "
    "Ann is told, and the booking is refunded.",
)
def refund_from_wallet(play: Play) -> None:
    booking = _with_refund_to_send(play)
    _entered(play, booking, play.chains.send_back(booking, ANNS_WALLET))
    play.scene("You have sent it and entered its transaction.")
    play.check_state(booking, State.CANCELLED)
    play.check_mails(ANN, "75 USDT has gone back", 0)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("The network has made it final.")
    play.check_state(booking, State.REFUNDED)
    play.check_mails(ANN, "75 USDT has gone back")
    play.compare_balances()
    play.scene("At night it is found what left the address.")
    play.check_kept("0", "trc20")
    play.check_kept("0", "trc20_wallet")


@GROUP.drill(
    "chain-refund-taken-back",
    "The network takes your refund back",
    happens="The refund you sent was seen. Then the network replaces the block, and it is gone. You send it again.",
    should="You are told and nothing is booked. The second transaction settles the refund.",
)
def refund_taken_back(play: Play) -> None:
    booking = _with_refund_to_send(play)
    sent = play.chains.send_back(booking, ANNS_WALLET)
    _entered(play, booking, sent)
    play.chains.reorganise(depth=2, drop=(sent,))
    play.chains.time_has_passed()
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("The network has replaced its block.")
    play.check_owner_told("taken back the block")
    play.check_state(booking, State.CANCELLED, Flag.NEEDS_OWNER)
    play.check_kept("75", "trc20")
    _entered(play, play.now_of(booking), play.chains.send_back(booking, ANNS_WALLET))
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("You have sent it again.")
    play.check_state(booking, State.REFUNDED)
    play.compare_balances()
    play.check_kept("0", "trc20")


@GROUP.drill(
    "chain-swept",
    "The owner empties the addresses",
    happens="Two calls were paid on TRON. The owner sends the money of both addresses to the wallet they belong to, "
    "and one of the transfers is taken back by the network and sent again.",
    should="The next night both are found and booked once, as moved to the wallet. Nothing is missing, nothing is told "
    "to customers.",
)
def swept(play: Play) -> None:
    booking, other = _held(play), play.hold(email=BOB, rail=RailId.TRC20)
    play.chains.send(booking)
    play.chains.send(other)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.check_kept("150", "trc20")
    play.scene("Both have paid.")
    first = play.chains.send_back(booking, OWNERS_WALLET)
    play.chains.reorganise(depth=1, drop=(first,))
    play.chains.send_back(booking, OWNERS_WALLET)
    play.chains.send_back(other, OWNERS_WALLET)
    play.chains.finalize()
    play.pass_time(hours=1)
    for _ in range(2):
        play.compare_balances()
    play.scene("The next nights.")
    play.check_kept("0", "trc20")
    play.check_kept("150", "trc20_wallet")
    play.check("No case is open.", not play.svc.cases.waiting())
    play.check_mails(ANN, "Confirmed")
    play.check_mails(BOB, "Confirmed")


@GROUP.drill(
    "chain-balance-differs",
    "An address holds something else than it should",
    happens="A call was paid on TRON. At night the node says that its address holds twice as much.",
    should="Nothing is booked by that. The owner gets an alert and a case, which end once the node tells the truth.",
)
def balance_differs(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    play.chains.break_node("lie")
    play.compare_balances()
    play.watch(minutes=1)
    play.scene("The node lies at night.")
    play.check_owner_told("Balance differs")
    play.check("A case is open.", len(play.svc.cases.waiting()) == 1)
    play.check_kept("75", "trc20")
    play.mend_calls("chains/TRC20/faults")
    play.compare_balances()
    play.watch(minutes=6)
    play.scene("It tells the truth again.")
    play.check("No case is open.", not play.svc.cases.waiting())
    play.check_owner_told("Balance differs", 2)


@GROUP.drill(
    "chain-balances-unread",
    "Balances cannot be read for two nights",
    happens="A call was paid on TRON. For two nights its node does not answer when the balances are asked for.",
    should="You are told after the second night, not after the first. It ends with the first night that reads them.",
)
def balances_unread(play: Play) -> None:
    booking = _held(play)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.check_state(booking, State.CONFIRMED)
    for night in (1, 2):
        play.chains.break_node("refuse")
        play.compare_balances()
        play.mend_calls("chains/TRC20/faults")
        play.watch(minutes=3)
        play.scene(f"Night {night}: the node does not answer.")
        play.check_owner_told("could not be read for two nights", night - 1)
        play.pass_time(hours=24)
    play.compare_balances()
    play.watch(minutes=6)
    play.scene("The third night it answers.")
    play.check_owner_told("could not be read for two nights", 2)
    play.check_kept("75", "trc20")


@GROUP.drill(
    "chain-screened",
    "Paid from an address on the screening list",
    happens="Ann pays on TRON from an address that is on the owner’s screening list. Bob pays from another one.",
    should="Ann’s payment confirms nothing and is returned to nobody: it waits for the owner, who is told. Once "
    "accepted, it counts. Bob’s is taken as always.",
    settings={"SCREENING_LIST": "/nowhere/list.txt"},
)
def screened(play: Play) -> None:
    play.svc.screening.replace([chain_addresses.parsed(TRON, ELSEWHERE)], play.svc.now(), screening.READ_EVERY)
    ann, bob = _held(play), _held(play, email=BOB)
    play.chains.send(ann, sender=ELSEWHERE)
    play.chains.send(bob)
    play.chains.finalize()
    play.pass_time(seconds=31)
    play.scene("Both have sent 75 USDT.")
    play.check_state(bob, State.CONFIRMED)
    play.check_state(ann, State.PENDING, Flag.NEEDS_OWNER)
    play.check_told(ann, MessageId.UNCLEAR)
    play.check_owner_told("an address on your screening list")
    play.check("Nothing is promised back to Ann.", not play.now_of(ann).refunds)
    waiting = next(one.trade_no for one in play.now_of(ann).orders if one.held)
    refunding.let_count(play.svc, ann.id, waiting)
    play.pass_time(seconds=31)
    play.scene("The owner accepts it.")
    play.check_state(ann, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_kept("150", "trc20")


@GROUP.drill(
    "chain-screening-list-old",
    "The screening list cannot be read any more",
    happens="The file of the screening list is gone. Days pass.",
    should="What was read last stays in force, and the owner is told after three days.",
    settings={"SCREENING_LIST": "/nowhere/list.txt"},
)
def screening_list_old(play: Play) -> None:
    play.svc.screening.replace([chain_addresses.parsed(TRON, ELSEWHERE)], play.svc.now(), screening.READ_EVERY)
    play.skip_time(days=2)
    play.watch(minutes=1)
    play.check_owner_told("", 0)
    play.skip_time(days=1, minutes=1)
    play.watch(minutes=1)
    play.scene("Three days have passed.")
    play.check_owner_told("The screening list could not be read")
    play.check("The last list is in force.", play.svc.screening.has(chain_addresses.parsed(TRON, ELSEWHERE)))
