"""Drills: what the owner is told of the site as a whole. They show the alert itself: when it comes, and its end."""

from dataclasses import replace
from datetime import timedelta

from inspired.adapters.mongo import heartbeats
from inspired.adapters.providers import outgoing_webhooks
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Paused
from inspired.domain.shared.messages import MessageId
from inspired.flows.accounts import authentication
from inspired.flows.booking import checking
from inspired.flows.catalogue import own_calendar
from inspired.rehearsal.drill import Group
from inspired.rehearsal.play import ANN, BOB, Play
from inspired.rehearsal.stage import ALERTS

GROUP = Group("What you are told of")


@GROUP.drill(
    "worker-gone",
    "No worker runs",
    happens="The process that does what is due has ended. Somebody pays meanwhile; six minutes later it runs again.",
    should="Nothing new is sold, and the owner is told. The call is confirmed once, when the worker is back.",
)
def worker_gone(play: Play) -> None:
    booking = play.hold()
    play.stage.enqueued.unheard = True
    play.pay(booking, notify="now")
    play.check("Binance’s message is accepted all the same.", play.wait_for_webhooks(1) == [200])
    play.watch(minutes=1)
    play.check_owner_told("No worker runs", 0)
    play.watch(minutes=5)
    play.scene("Nobody has done anything for six minutes.")
    play.check("Bob is told that payments are paused, and nothing was held.", _refused(play, BOB))
    play.check_owner_told("No worker runs")
    play.check_owner_told("A notice of Binance Pay has not been worked on")
    play.stage.enqueued.unheard = False
    play.watch(minutes=12)
    play.scene("The worker runs again.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("This is over: No worker runs")
    play.check("Bob can book again.", not _refused(play, BOB))
    play.check_kept("75")


def _refused(play: Play, email: str) -> bool:
    play.skip_time(seconds=2)  # what pages know of it may be a second old
    try:
        play.hold(email=email)
    except Paused:
        return True
    return False


@GROUP.drill(
    "strange-job",
    "Somebody else writes to the queue",
    happens="A job that is not this site’s lies in the queue, between two that are.",
    should="It is not run, and the owner is told. The others are done.",
)
def strange_job(play: Play) -> None:
    play.stage.enqueued.enqueue("not_a_job_of_this_site", "anything")
    booking = play.hold()
    play.pay(booking)
    play.pass_time(seconds=31)
    play.watch(minutes=2)
    play.scene("Somebody has put a job of their own into the queue.")
    play.check_state(booking, State.CONFIRMED)
    play.check_mails(ANN, "Confirmed")
    play.check_owner_told("The queue held a job that is not this site's")
    play.check_kept("75")


@GROUP.drill(
    "certificates-away",
    "Binance’s certificates cannot be had",
    happens="Binance signs with a new key, and does not give out the certificate for it for a quarter of an hour.",
    should="What cannot be proven is not believed; the payment is found by asking, and the owner is told.",
)
def certificates_away(play: Play) -> None:
    booking = play.hold()
    play.break_calls("certificates", "http_500", 100)
    play.control("rotate-key", {"keep_old": False})
    play.pay(booking, notify="now")
    answer = play.wait_for_webhooks(1)[0]
    play.check("Binance’s message is not accepted.", answer in (401, 503))
    play.pass_time(seconds=31)
    play.scene("Ann has paid. The message could not be proven; half a minute later Binance was asked.")
    play.check_state(booking, State.CONFIRMED)
    play.watch(minutes=25)
    play.scene("Twenty-five minutes later.")
    play.check_owner_told("The certificates of Binance Pay could not be fetched for ten minutes")
    play.mend_calls()
    play.watch(minutes=15)
    play.scene("Binance gives out certificates again.")
    play.check_owner_told("This is over: The certificates of Binance Pay")
    play.check_mails(ANN, "Confirmed")
    play.check_kept("75")


@GROUP.drill(
    "mail-refused",
    "A mail server refuses a customer’s address",
    happens="Ann has mistyped her address. The mail server says for good that there is nobody of that name.",
    should="The call is confirmed; her page says so, and that no mail reaches her. The owner is told as well; Bob gets "
    "his.",
)
def mail_refused(play: Play) -> None:
    play.stage.outbox.refused.add(ANN)
    first, second = play.hold(), play.hold(email=BOB)
    for booking in (first, second):
        play.pay(booking)
    play.pass_time(seconds=31)
    play.pass_time(minutes=10)
    play.scene("Both have paid.")
    play.check_state(first, State.CONFIRMED)
    play.check_told(first, MessageId.CONFIRMED, MessageId.MAILS_REFUSED)
    play.check_mails(ANN, "", 0)
    play.check_mails(BOB, "Confirmed")
    play.check_owner_told("Something owed to a customer")
    play.check_kept("150")


@GROUP.drill(
    "passwords-guessed",
    "Somebody tries passwords from many places",
    happens="Twenty wrong passwords come from as many places, each for another account, so that none is slowed down.",
    should="Nobody gets in, and the owner is told of all of them together, once.",
)
def passwords_guessed(play: Play) -> None:
    def guess(number: int) -> bool:
        return (
            authentication.log_in(play.svc, f"somebody-{number}@example.com", "Summer2026!", f"203.0.113.{number}")
            is not None
        )

    found = [guess(number) for number in range(19)]
    play.watch(minutes=1)
    play.check_owner_told("Many wrong passwords", 0)
    found.append(guess(20))
    play.watch(minutes=2)
    play.scene("Twenty within some minutes, none from the same place.")
    play.check("Nobody is in.", not any(found))
    play.check_owner_told("Many wrong passwords or codes were entered")
    play.skip_time(hours=25)
    play.watch(minutes=12)
    play.scene("A day without another one.")
    play.check_owner_told("This is over: Many wrong passwords")


@GROUP.drill(
    "backup-late",
    "The backup was not made",
    happens="A backup was reported once. Since then a day and some hours went by without another.",
    should="The owner is told once, and again when a backup was made.",
)
def backup_late(play: Play) -> None:
    play.svc.heartbeats.beat(heartbeats.BACKUP, play.svc.now())
    play.skip_time(hours=25)
    play.watch(minutes=2)
    play.check_owner_told("No backup was reported", 0)
    play.skip_time(hours=2)
    play.watch(minutes=2)
    play.scene("Twenty-seven hours after the last backup.")
    play.check_owner_told("No backup was reported for more than a day")
    play.svc.heartbeats.beat(heartbeats.BACKUP, play.svc.now())
    play.watch(minutes=12)
    play.scene("A backup was made.")
    play.check_owner_told("This is over: No backup was reported")


@GROUP.drill(
    "scheme-unsaid",
    "The proxy does not say how visitors come",
    happens="A page is asked for, and the proxy in front of the site does not say whether by https. It is put right.",
    should="Nobody is turned away. The owner is told once, and again when it is over.",
)
def scheme_unsaid(play: Play) -> None:
    booking = play.confirmed()
    play.svc.heartbeats.beat(heartbeats.SCHEME, play.svc.now(), is_well=False)
    play.watch(minutes=2)
    play.scene("A page was asked for, and nobody said how.")
    play.check_owner_told("Your site cannot tell whether visitors come by https")
    play.check_state(booking, State.CONFIRMED)
    play.watch(minutes=30)
    play.scene("The header has been there for half an hour.")
    play.check_owner_told("This is over: Your site cannot tell")
    play.check_kept("75")


@GROUP.drill(
    "books-altered",
    "Somebody alters the books in the database",
    happens="The entries of a paid call are deleted by hand in the database, and put back later.",
    should="The check of the hour finds it, and the owner is told. The call itself stands.",
)
def books_altered(play: Play) -> None:
    booking = play.confirmed()
    play.svc.bookings.file(replace(booking, ledger=()))
    play.check_all()
    play.watch(minutes=2)
    play.scene("The entries of Ann’s call are gone.")
    play.check("The check finds it.", not checking.check(play.svc, grace=timedelta()).is_clean)
    play.check_owner_told("Something in the database is not as it must be")
    play.check_state(booking, State.CONFIRMED)
    play.svc.bookings.file(booking)
    play.check_all()
    play.watch(minutes=12)
    play.scene("They are put back.")
    play.check_owner_told("This is over: Something in the database")
    play.check_kept("75")


@GROUP.drill(
    "own-calendar-away",
    "Your own calendar cannot be read",
    happens="The address of your own calendar has never answered, for more than an hour.",
    should="Times are offered all the same, and the owner is told once.",
    settings={"busy_feed_urls": "http://127.0.0.1:1/calendar.ics"},
)
def own_calendar_away(play: Play) -> None:
    for _ in range(8):
        for feed_id in play.svc.own_calendar.feeds:
            own_calendar.read(play.svc, feed_id)
        play.skip_time(minutes=10)
    play.scene("An hour and a quarter of it.")
    play.check_owner_told("Your own calendar cannot be read")
    play.check("Times are offered.", bool(play.times()))


@GROUP.drill(
    "your-webhook-away",
    "Your own webhook does not answer",
    happens="An alert is sent to the address you have given for alerts, and nobody takes it for a while.",
    should="The owner is told by mail. The message is kept and sent again, under the same number, until it is taken.",
)
def your_webhook_away(play: Play) -> None:
    play.stage.door.is_deaf = True
    play.svc.outgoing_webhook.set(
        f"{play.stage.door.url}{ALERTS}", "127.0.0.1", outgoing_webhooks.new_secret(), play.svc.now()
    )
    play.svc.heartbeats.beat(heartbeats.BACKUP, play.svc.now())
    play.skip_time(hours=27)
    play.watch(minutes=60)
    play.scene("An alert came up an hour ago, and your webhook takes nothing.")
    play.check("It was tried again and again.", len(play.stage.door.told) >= 4)
    play.check("Each try had the same number.", len({number for number, _ in play.stage.door.told}) == 1)
    play.check_owner_told("Your own webhook does not take what is sent to it")
    play.stage.door.is_deaf = False
    tried = len(play.stage.door.told)
    play.skip_time(hours=2)
    play.watch(minutes=12)
    play.scene("It answers again.")
    first = play.stage.door.told[0][0]
    taken = [status for number, status in play.stage.door.told[tried:] if number == first]
    play.check("The same message was taken, once.", taken == [200])
    play.check_owner_told("This is over: Your own webhook")
