"""Drills: addresses on chain that have rested and are given out again."""

from inspired.adapters.mongo.receiving import BY_COMMAND
from inspired.domain.booking.address_reuse import REST
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import address_holders, refunding
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, Play

GROUP = Group("Addresses on chain given out again")
TRON = Network.TRC20


def _allowed(play: Play) -> None:
    play.chains.watch()
    play.svc.receiving.give_again(Kind.TRON, play.svc.now(), by=BY_COMMAND, is_on=True)


def _held(play: Play, email: str) -> Booking:
    return play.hold(email=email, rail=RailId(TRON))


def _paid(play: Play, email: str) -> Booking:
    """Booked, paid on TRON and confirmed."""
    booking = _held(play, email)
    play.chains.send(booking)
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.check_state(booking, State.CONFIRMED)
    return booking


def _rest_passes(play: Play) -> None:
    """The call takes place, and then nothing happens for the whole rest. Once a day somebody looks."""
    play.skip_time(days=REST.days + 14)
    play.chains.finalize()
    for _ in range(2):
        play.pass_time(minutes=1)


def _over(play: Play) -> None:
    """Nobody has paid in time, and a block after the end has shown it."""
    play.pass_time(minutes=32)
    play.pass_time(seconds=31)


def _has_address_of(play: Play, booking: Booking, other: Booking) -> bool:
    return play.chains.address_of(booking) == play.chains.address_of(other)


@GROUP.drill(
    "chain-address-given-again",
    "An address is given out again, and its earlier holder pays once more",
    happens="Ann paid on TRON and had her call. More than 90 days later her address is given to Bob. Ann sends 70 USDT "
    "there once more, by mistake; then Bob pays his 75.",
    should="Bob’s payment confirms his call. What Ann sent confirms nothing and goes back to nobody: it waits for the "
    "owner, who is told and sees both bookings.",
)
def given_again(play: Play) -> None:
    _allowed(play)
    ann = _paid(play, ANN)
    play.scene("Ann has paid.")
    _rest_passes(play)
    bob = _held(play, BOB)
    play.scene("More than 90 days later Bob books.")
    play.check("Bob is shown the address that Ann had.", _has_address_of(play, bob, ann))
    play.chains.send(bob, "70")
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.scene("Ann has sent 70 USDT there again.")
    play.check_state(bob, State.PENDING, Flag.NEEDS_OWNER)
    play.check_state(ann, State.CONFIRMED)
    play.check_owner_told("somebody else had before")
    play.check("Nothing is promised back to anybody.", not play.now_of(bob).refunds and not play.now_of(ann).refunds)
    for mine, other in ((ann, bob), (bob, ann)):
        found = [one.booking_id for one in address_holders.neighbours(play.svc, play.now_of(mine))]
        play.check("The owner sees the other booking of the address.", found == [other.id])
    play.chains.send(bob)
    play.chains.finalize()
    play.pass_time(seconds=6)
    play.scene("Bob has paid his 75 USDT.")
    play.check_state(bob, State.CONFIRMED, Flag.NEEDS_OWNER)
    play.check_told(bob, MessageId.CONFIRMED)
    play.check_mails(BOB, "Confirmed")
    play.check_mails(ANN, "Confirmed")


@GROUP.drill(
    "chain-address-part-at-given-again",
    "Part of the price at an address that was given out again",
    happens="Bob has an address that Ann had before. 70 USDT come there, and his time to pay ends. Asked, he says: "
    "it was I.",
    should="Nothing is counted, and nobody is told that nothing came. Once the owner says so, the 70 USDT are Bob’s "
    "and go back like any short payment.",
)
def part_at_given_again(play: Play) -> None:
    _allowed(play)
    _paid(play, ANN)
    _rest_passes(play)
    bob = _held(play, BOB)
    play.chains.send(bob, "70")
    play.chains.finalize()
    play.pass_time(seconds=6)
    _over(play)
    play.scene("Bob’s time to pay is over.")
    play.check_state(bob, State.EXPIRED, Flag.NEEDS_OWNER)
    play.check_told(bob, MessageId.UNCLEAR)
    play.check_mails(BOB, "Not paid", 0)
    play.check("Nothing is promised back.", not play.now_of(bob).refunds)
    waiting = next(one.trade_no for one in play.now_of(bob).orders if one.held)
    refunding.let_count(play.svc, bob.id, waiting)
    play.pass_time(seconds=6)
    play.scene("The owner lets it count for Bob.")
    play.check("70 USDT go back.", [str(one.amount) for one in play.now_of(bob).refunds] == ["70"])


@GROUP.drill(
    "chain-address-not-paid-rests",
    "The address of somebody who has not paid",
    happens="Ann was shown an address and did not pay. More than 90 days later Bob books, and Ann pays after all.",
    should="Bob gets an address that nobody had before, and Ann’s money is hers: late money of her own booking.",
)
def not_paid_rests(play: Play) -> None:
    _allowed(play)
    ann = _held(play, ANN)
    _over(play)
    play.check_state(ann, State.EXPIRED)
    _rest_passes(play)
    bob = _held(play, BOB)
    play.scene("More than 90 days later Bob books.")
    play.check("Bob is shown another address than Ann was.", not _has_address_of(play, bob, ann))
    play.chains.send(ann)
    play.chains.finalize()
    play.pass_time(hours=13)
    play.pass_time(seconds=31)
    play.scene("Ann has paid after all.")
    play.check_told(ann, MessageId.CHOOSE_LATE)
    play.check("Bob’s booking has nothing of it.", not any(one.has_money for one in play.now_of(bob).orders))
