"""Drills: money on its way back, and everything that can happen to it there."""

from inspired.domain.booking.refunds import refundable
from inspired.domain.booking.states import Flag, RefundStatus, State
from inspired.domain.shared.messages import MessageId
from inspired.flows.booking import refreshing, refunding
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, Play

GROUP = Group("Refunds")


@GROUP.drill(
    "refund-all",
    "A refund of everything",
    happens="The owner cancels a confirmed call and returns all of the money.",
    should="The money goes back, the time is free again, the customer is told.",
)
def refund_all(play: Play) -> None:
    booking = play.confirmed()
    play.refund(booking, cancels=True)
    play.scene("The owner has refunded.")
    play.check_state(booking, State.REFUNDED)
    play.check_free(booking, is_free=True)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_mails(ANN, "gone back")
    play.check_kept("0")


@GROUP.drill(
    "refund-part",
    "A refund of a part",
    happens="The owner returns 20 USDT of a confirmed call.",
    should="The call stands, 55 USDT are kept.",
)
def refund_part(play: Play) -> None:
    booking = play.confirmed()
    play.refund(booking, "20")
    play.scene("The owner has refunded 20 USDT.")
    play.check_state(booking, State.CONFIRMED)
    play.check_refunds(("20", "REFUND_SUCCESS"))
    play.check_kept("55")


@GROUP.drill(
    "refund-pressed-twice",
    "The refund button is pressed twice",
    happens="The owner’s browser sends the same refund two times.",
    should="The money goes back once.",
)
def refund_pressed_twice(play: Play) -> None:
    booking = play.confirmed()
    play.refund(booking, "20", request="the same")
    play.refund(booking, "20", request="the same")
    play.scene("The owner has pressed twice.")
    play.check_refunds(("20", "REFUND_SUCCESS"))
    play.check_kept("55")


@GROUP.drill(
    "refund-answer-lost",
    "The answer to a refund gets lost",
    happens="Binance has taken the refund; the connection breaks before we hear of it.",
    should="It is asked for again under its own number, so the money goes back once.",
)
def refund_answer_lost(play: Play) -> None:
    booking = play.confirmed()
    play.break_calls("refund", "accept_then_timeout")
    play.refund(booking, "20")
    play.scene("The answer got lost.")
    for _ in range(3):
        play.pass_time(minutes=1)
    play.scene("Three minutes later.")
    play.check("The refund is done.", [refund.status for refund in play.now_of(booking).refunds] == [RefundStatus.DONE])
    play.check_refunds(("20", "REFUND_SUCCESS"))
    play.check_kept("55")


@GROUP.drill(
    "refund-takes-long",
    "A refund takes more than a day",
    happens="Binance accepts the refund and does not finish it for a day. Then it does.",
    should="Nobody is told that it is done before it is; the owner is told after a day.",
)
def refund_takes_long(play: Play) -> None:
    play.control("settings", {"refund_outcome": "pending"})
    booking = play.confirmed()
    play.refund(booking, cancels=True)
    for _ in range(5):
        play.pass_time(hours=5)
    play.scene("25 hours later it is still under way.")
    play.check_told(booking, MessageId.GOING_BACK)
    play.check_mails(ANN, "gone back", 0)
    play.check_owner_told("A refund is not done a day after it was asked for")
    refund = play.now_of(booking).refunds[0]
    play.control(f"refunds/{refund.id}/complete", {"notify": "lost"})
    for _ in range(5):
        play.pass_time(hours=5)
    play.scene("Binance has finished it.")
    play.check_state(booking, State.REFUNDED)
    play.check_mails(ANN, "gone back")
    play.check_kept("0")


@GROUP.drill(
    "refund-rejected",
    "Binance rejects a refund",
    happens="Binance accepts the refund first and rejects it later. The owner presses “Try again”.",
    should="The owner is told; trying again is a new refund, and the money goes back once.",
)
def refund_rejected(play: Play) -> None:
    play.control("settings", {"refund_outcome": "pending"})
    booking = play.confirmed()
    play.refund(booking, cancels=True)
    refund = play.now_of(booking).refunds[0]
    play.control(f"refunds/{refund.id}/reject", {"notify": "now"})
    play.wait_for_webhooks(2)
    play.work()
    for _ in range(2):
        play.pass_time(minutes=5)
    play.scene("Binance has rejected it.")
    play.check_told(booking, MessageId.REFUND_STUCK)
    play.check_owner_told("Binance rejected a refund")
    play.control("settings", {"refund_outcome": "success"})
    refunding.try_again(play.svc, booking.id, refund.id)
    play.work()
    play.pass_time(minutes=1)
    play.scene("The owner has pressed “Try again”.")
    play.check_state(booking, State.REFUNDED)
    play.check_refunds(("75", "REFUND_FAIL"), ("75", "REFUND_SUCCESS"))
    play.check_kept("0")


@GROUP.drill(
    "refund-low-balance",
    "There is too little in the merchant account",
    happens="Binance refuses a refund, because the merchant account holds too little. The owner puts money in.",
    should="The owner is told; it is tried every hour, and goes out once there is enough.",
)
def refund_low_balance(play: Play) -> None:
    booking = play.confirmed()
    play.control("settings", {"merchant_balance": "1"})
    play.refund(booking, "20")
    play.scene("There is 1 USDT in the account.")
    play.check_state(booking, State.CONFIRMED, Flag.REFUND_FAILED, Flag.NEEDS_OWNER)
    play.check_owner_told("A refund could not be sent")
    play.control("settings", {"merchant_balance": "100"})
    play.pass_time(minutes=61)
    play.scene("The owner has put money in. An hour later.")
    play.check_state(booking, State.CONFIRMED)
    play.check_refunds(("20", "REFUND_SUCCESS"))
    play.check_kept("55")


@GROUP.drill(
    "refund-in-console",
    "A refund by hand in Binance’s console",
    happens="Somebody returns all of the money in Binance’s own console, past this site.",
    should="It is found when Binance is asked, stands in the books, and the owner is told that the call still stands.",
)
def refund_in_console(play: Play) -> None:
    booking = play.confirmed()
    order = play.now_of(booking).orders[-1]
    play.control(f"orders/{order.trade_no}/refund", {})
    play.scene("The money was returned in the console. We do not know it yet.")
    refreshing.ask_about_all(play.svc, play.now_of(booking), seconds=3.0)
    play.catch_up()
    play.scene("The owner has pressed “Ask Binance again”.")
    play.check_state(booking, State.CONFIRMED, Flag.NEEDS_OWNER)
    play.check_owner_told("A refund was found that was not made here")
    play.check_kept("0")


@GROUP.drill(
    "refund-meets-console",
    "Our refund meets one from the console",
    happens="The owner refunds here what somebody else has just returned in Binance’s console.",
    should="The money goes back once, and both agree on it.",
)
def refund_meets_console(play: Play) -> None:
    booking = play.confirmed()
    order = play.now_of(booking).orders[-1]
    play.control(f"orders/{order.trade_no}/refund", {})
    play.refund(booking, cancels=True)
    play.pass_time(minutes=2)
    play.scene("Returned there, and asked for here.")
    play.check_state(booking, State.REFUNDED)
    play.check_kept("0")


@GROUP.drill(
    "cancelled-by-policy",
    "A customer cancels in time",
    happens="The customer cancels a confirmed call days before it starts.",
    should="What the policy promises goes back by itself: all of it. The time is free again.",
)
def cancelled_by_policy(play: Play) -> None:
    booking = play.confirmed()
    refunding.cancel(play.svc, booking.token, refundable(booking))
    play.work()
    play.pass_time(minutes=1)
    play.scene("Ann has cancelled.")
    play.check_state(booking, State.REFUNDED)
    play.check_free(booking, is_free=True)
    play.check_refunds(("75", "REFUND_SUCCESS"))
    play.check_owner_told("A customer cancelled a confirmed call")
    play.check_kept("0")
