"""Drills: what Binance tells us, lost, late, twice, wrong or by somebody else."""

from inspired.domain.booking.states import State
from inspired.domain.shared.messages import MessageId
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, Play

GROUP = Group("Messages from Binance")


@GROUP.drill(
    "paid",
    "A good day",
    happens="The customer pays, and Binance tells us at once.",
    should="The call is confirmed in the same moment, customer and owner get their mails.",
)
def paid(play: Play) -> None:
    booking = play.hold()
    play.scene("Ann holds a time and sees the QR code.")
    play.check_free(booking, is_free=False)
    play.pay(booking, notify="now")
    play.check("Binance’s message is accepted.", play.wait_for_webhooks(1) == [200])
    play.work()
    play.scene("Ann has paid, and Binance has told us.")
    play.check_state(booking, State.CONFIRMED)
    play.check_told(booking, MessageId.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("New call")
    play.check_kept("75")


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
    play.scene("31 seconds later we have asked.")
    play.check("No message came.", not play.stage.door.answers)
    play.check_state(booking, State.CONFIRMED)
    play.check_told(booking, MessageId.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("New call")
    play.check_kept("75")


@GROUP.drill(
    "webhook-late",
    "The webhook comes when all is done",
    happens="Binance’s message comes late: we have asked already, and the call is confirmed.",
    should="The late message is taken and changes nothing. Nobody gets a second mail.",
)
def webhook_late(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, notify="late", delay_s=1.0)
    play.pass_time(seconds=31)
    play.scene("Ann has paid, and we have asked Binance.")
    play.check_state(booking, State.CONFIRMED)
    play.check("The late message is accepted.", play.wait_for_webhooks(1) == [200])
    play.work()
    play.scene("Now the message comes as well.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("New call")
    play.check_kept("75")


@GROUP.drill(
    "webhook-twice",
    "The webhook comes twice",
    happens="Binance sends the message about one payment two times.",
    should="The call is confirmed once: one mail, one entry in the books.",
)
def webhook_twice(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, notify="twice")
    play.check("Both messages are accepted.", play.wait_for_webhooks(2) == [200, 200])
    play.work()
    play.scene("Ann has paid once, and Binance has told us twice.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("New call")
    play.check_kept("75")


@GROUP.drill(
    "webhook-forged",
    "Somebody forges a webhook",
    happens="A stranger sends a message as if the order had been paid, signed with a key of their own.",
    should="It is refused and kept as evidence. Nothing is confirmed.",
)
def webhook_forged(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, notify="forged")
    answers = play.wait_for_webhooks(1)
    play.work()
    play.scene("A forged message has come. Nobody has paid.")
    play.check("The message is refused.", set(answers) == {401})
    play.check_state(booking, State.PENDING)
    play.check_mails(ANN, "Confirmed", 0)
    _check_refusal_is_kept(play)
    play.check_kept("0")


@GROUP.drill(
    "webhook-altered",
    "A webhook is altered on its way",
    happens="A message that Binance has signed is changed by somebody before it reaches us.",
    should="The signature no longer fits: it is refused and kept as evidence. Nothing is confirmed.",
)
def webhook_altered(play: Play) -> None:
    booking = play.hold()
    play.pay(booking, notify="altered")
    answers = play.wait_for_webhooks(1)
    play.work()
    play.scene("An altered message has come. Nobody has paid.")
    play.check("The message is refused.", set(answers) == {401})
    play.check_state(booking, State.PENDING)
    play.check_mails(ANN, "Confirmed", 0)
    _check_refusal_is_kept(play)
    play.check_kept("0")


def _check_refusal_is_kept(play: Play) -> None:
    kept = [entry["event"] for entry in play.svc.logs.since(play.stage.real_now() - play.HOUR, 50)]
    play.check("The refused message stands in the evidence.", "WEBHOOK_REFUSED" in kept)


@GROUP.drill(
    "webhook-replayed",
    "An old webhook is sent once more",
    happens="Somebody who has overheard a genuine message sends it again, byte for byte, after the money went back.",
    should="It is known already and changes nothing: the refunded booking stays refunded.",
)
def webhook_replayed(play: Play) -> None:
    booking = play.confirmed()
    play.refund(booking, cancels=True)
    play.scene("The owner has returned all of the money.")
    play.check_state(booking, State.REFUNDED)
    last = play.stage.door.overheard[0]
    play.check("The copy is taken for what it is.", play.stage.sandbox.post(*last) == 200)
    play.work()
    play.pass_time(minutes=5)
    play.scene("The old message has come again.")
    play.check_state(booking, State.REFUNDED)
    play.check_mails(ANN, "Confirmed")
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_kept("0")


@GROUP.drill(
    "webhooks-out-of-order",
    "An older message comes after a newer one",
    happens="After the payment a signed message comes that says its order was closed.",
    should="The money was seen, and no later word undoes that: the call stays confirmed.",
)
def out_of_order(play: Play) -> None:
    booking = play.confirmed()
    play.announce(booking, "PAY_CLOSED")
    play.check("Both messages are accepted.", play.wait_for_webhooks(2) == [200, 200])
    play.work()
    play.scene("“Closed” has come after “paid”.")
    play.check_state(booking, State.CONFIRMED)
    play.check_free(booking, is_free=False)
    play.check_kept("75")


@GROUP.drill(
    "webhook-contradicted",
    "A webhook says paid, Binance’s own answer says not",
    happens="A genuinely signed message tells of a payment, but asked, Binance knows of none.",
    should="The call is not confirmed on the message alone, and after ten minutes the owner is told. "
    "When Binance says that the order has expired, the customer reads that too.",
)
def contradicted(play: Play) -> None:
    booking = play.hold()
    play.announce(booking, "PAY_SUCCESS")
    play.wait_for_webhooks(1)
    play.work()
    play.scene("The message says paid. Binance, asked, says not.")
    play.check_state(booking, State.PAID)
    play.pass_time(minutes=11)
    play.scene("Eleven minutes later.")
    play.check("The call is not confirmed.", play.now_of(booking).confirmed_at is None)
    play.check_mails(ANN, "Confirmed", 0)
    play.check_owner_told("has been paid for ten minutes and could not be confirmed yet")
    play.pass_time(minutes=10)
    play.scene("The order has expired at Binance.")
    play.check_told(booking, MessageId.DENIED_EXPIRED)
    play.check_owner_told("says that its order was closed without one")
    play.check_mails(ANN, "Confirmed", 0)
    play.check_kept("0")


@GROUP.drill(
    "webhook-unknown-order",
    "A payment for an order nobody here knows",
    happens="Binance tells of money for an order that is not ours: made by hand in the console, or by another shop.",
    should="It is kept in the books as somebody’s, the owner is told once, and nothing is confirmed by it.",
)
def unknown_order(play: Play) -> None:
    data = {"merchantTradeNo": "somebodyelsesorder0000001", "totalFee": "50", "currency": "USDT"}
    play.control("notices", {"data": data, "url": play.svc.settings.binance_pay_webhook_url})
    play.check("The message is accepted.", play.wait_for_webhooks(1) == [200])
    play.work()
    play.scene("Money for an order we do not know.")
    play.pass_time(hours=1)
    play.check("It waits for the owner.", len(play.svc.orphans.waiting()) == 1)
    play.check_owner_told("order")
    play.check_kept("50")
    play.leave_out_binance("the stand-in has no such order either")


@GROUP.drill(
    "certificate-rotated",
    "Binance changes its certificate",
    happens="Between two payments Binance begins to sign with a new key and withdraws the old one.",
    should="The new certificate is fetched by itself, once. No message is lost.",
)
def certificate_rotated(play: Play) -> None:
    play.confirmed()
    play.pass_time(minutes=1)
    before = len(play.control("calls?call=certificates"))
    play.control("rotate-key", {"keep_old": False})
    booking = play.hold(email="bob@customers.example")
    play.pay(booking, notify="twice")
    play.check("Messages under the new key are accepted.", play.wait_for_webhooks(3) == [200, 200, 200])
    play.work()
    play.scene("Bob has paid, and the message is signed with the new key.")
    play.check_state(booking, State.CONFIRMED)
    play.check("The certificates were fetched once more.", len(play.control("calls?call=certificates")) == before + 1)
    play.check_kept("150")
