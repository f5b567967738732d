"""Drills: where money on chain goes, and how many addresses are left."""

from inspired.adapters.mongo.receiving import SOURCES, NodeAddress
from inspired.adapters.mongo.rehearsals import altered
from inspired.domain.booking.rails import RailId
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import payment
from inspired.flows.site import receiving
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, Play

GROUP = Group("Where money on chain goes")
# Of the recovery phrase that every wallet's tests use; nothing is ever sent to them but on the stand-in's chains.
ADDRESSES = ("TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6", "TPjjvMwjPoDC32V2dGDYTkLH4E5LAtBZ6C")


def _receive(play: Play) -> None:
    """A list of two addresses on TRON."""
    node = NodeAddress(f"{play.stage.sandbox.url}/chains/{Network.TRC20}/jsonrpc")
    receiving.receive_at_once(play.svc, Kind.TRON, "\n".join(ADDRESSES), {Network.TRC20: node})
    play.svc.chains[Network.TRC20].count_again()


def _is_offered(play: Play) -> bool:
    return RailId.TRC20 in payment.offered(play.svc)


def _shown(play: Play) -> str:
    """The address that the newest booking's page shows."""
    checkout = payment.checkout_of(play.svc, play.newest())
    return checkout.qr_content if checkout else ""


@GROUP.drill(
    "receiving-altered",
    "Somebody alters where all money goes",
    happens="Ann is to pay on TRON. Somebody who can write to the database puts something of their own in the place of "
    "your list of addresses.",
    should="The network is not offered any more, no address is shown, and you are told.",
)
def receiving_altered(play: Play) -> None:
    _receive(play)
    play.hold(rail=RailId.TRC20)
    play.check("Ann is shown the first address of your list.", _shown(play) == ADDRESSES[0])
    settings, place = play.svc.settings, SOURCES[Kind.TRON]
    uri, theirs = settings.mongodb_uri.get_secret_value(), {"value": b"something of their own"}
    altered(uri, settings.mongodb_database, "receiving", place.id, theirs, seconds=5.0)
    play.svc.receiving.read_again()
    play.scene("Somebody has altered what says where money on TRON goes.")
    play.check("USDT on TRON is not offered any more.", not _is_offered(play))
    play.check("Ann is shown no address.", _shown(play) == "")
    play.watch(minutes=2)
    play.check_owner_told("What says where money on chain goes was altered")


@GROUP.drill(
    "addresses-used-up",
    "Your list of addresses comes to its end",
    happens="Your list has two addresses. Ann and Bob take them; Eve wants to pay on TRON as well.",
    should="You are told that few are left, and then that there is none. Eve is offered the other ways to pay; no "
    "address is given out twice.",
)
def addresses_used_up(play: Play) -> None:
    _receive(play)
    play.watch(minutes=1)
    play.check_owner_told("Few addresses are left")
    given = []
    for email in (ANN, BOB):
        play.hold(email=email, rail=RailId.TRC20)
        given.append(_shown(play))
    play.scene("Ann and Bob have taken the last two.")
    play.check("Each has an address of their own.", given == list(ADDRESSES))
    play.svc.chains[Network.TRC20].count_again()
    play.check("USDT on TRON is not offered any more.", not _is_offered(play))
    play.check("Eve is told so, and nothing was held.", _is_refused(play))
    play.check("Another way to pay is offered.", bool(payment.offered(play.svc)))
    play.watch(minutes=2)
    play.check_owner_told("A network is not offered, because no address is left")


def _is_refused(play: Play) -> bool:
    try:
        play.hold(email="eve@customers.example", rail=RailId.TRC20)
    except Conflict:
        return True
    return False
