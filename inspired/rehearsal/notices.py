"""Drills: what Binance tells us, lost, late, twice, wrong or by somebody else."""

from inspired.domain.booking import State
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, Play

GROUP = Group("Messages from Binance")


@GROUP.drill(
    "webhook-lost",
    "The webhook never comes",
    happens="The customer pays, and Binance’s message about it gets lost for good.",
    should="We ask Binance ourselves within half a minute, and the call is confirmed.",
)
def webhook_lost(play: Play) -> None:
    booking = play.hold()
    play.scene("Ann holds a time and sees the QR code.")
    play.pay(booking)
    play.scene("Ann has paid. No message comes.")
    play.pass_time(seconds=31)
    play.scene("31 seconds later.")
    play.check("No webhook came.", not play.stage.door.answers)
    play.check_state(booking, State.CONFIRMED)
    play.check_told(booking, "Paid and confirmed.")
    play.check_mails(ANN, "Confirmed")
    play.check_mails(play.svc.settings.owner_email, "New call")
    play.check_kept("75")
