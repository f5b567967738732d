import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from icalendar import Calendar

from inspired.adapters.mail.mail_templates import FOLDER, Letters
from inspired.adapters.redis.queue import queues_on
from inspired.domain.booking import delivery as rules
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.lifecycle import is_reminder
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail, UnknownTask
from inspired.domain.booking.states import State
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery, refreshing
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import live, pay
from tests.harness import Servers


def text_of(message) -> str:
    return message.get_body(("plain",)).get_content()


def test_the_held_mail_tells_where_to_pay_and_that_nothing_is_confirmed(svc: Services, mailbox: Mailbox):
    booking = live(svc)

    refreshing.refresh(svc, booking.id)

    (mail,) = mailbox.messages
    assert mail["to"] == "ann@example.com"
    assert f"/booking/{booking.token}" in text_of(mail)
    assert "75 USDT" in text_of(mail)
    assert "Europe/Berlin" in text_of(mail)
    assert "https://meet.example/room" not in text_of(mail)


def test_the_confirmed_mail_carries_place_reference_and_calendar_file(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = live(svc)
    pay(sandbox, booking)

    booking = refreshing.refresh(svc, booking.id)

    mail = next(
        one
        for one in mailbox.messages
        if one["to"] == "ann@example.com" and str(one["subject"]).startswith("Confirmed")
    )
    assert "https://meet.example/room" in text_of(mail)
    assert "Europe/Berlin" in text_of(mail)
    assert "Europe/London" in text_of(mail)
    attached = next(part for part in mail.iter_attachments())
    (event,) = Calendar.from_ical(attached.get_payload(decode=True)).events
    assert event["dtstart"].dt == booking.slot.span.start
    assert event["location"] == "https://meet.example/room"
    assert len(mailbox.subjects_to("owner@example.com")) == 1


class TestOneAddress:
    """The site sends its mails from the address of the owner's own."""

    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"MAIL_FROM": "Inspired Analyst <Owner@example.com>", "OWNER_EMAIL": "owner@example.com"}

    def test_the_owner_gets_an_entry_and_the_customer_an_invitation(
        self, svc: Services, sandbox: Servers, mailbox: Mailbox
    ):
        booking = live(svc)
        pay(sandbox, booking)

        refreshing.refresh(svc, booking.id)

        methods = {one["to"]: part.get_param("method") for one in mailbox.messages for part in one.iter_attachments()}
        assert methods == {"ann@example.com": "REQUEST", "owner@example.com": "PUBLISH"}


def test_each_mail_is_sent_once_however_many_deliver(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = live(svc)
    pay(sandbox, booking)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: refreshing.refresh(svc, booking.id), range(10)))

    ids = [mail["message-id"] for mail in mailbox.messages]
    assert len(ids) == len(set(ids))
    assert len([s for s in mailbox.subjects_to("ann@example.com") if s.startswith("Confirmed")]) == 1


def deliver_jobs(sandbox: Servers) -> list[tuple[str, ...]]:
    """The arguments of the mail jobs that wait."""
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        jobs = [job for queue in queues_on(connection) for job in queue.jobs]
        return [tuple(job.args) for job in jobs if job.func_name == "inspired.jobs.deliver"]


def three_confirmed(svc: Services, sandbox: Servers) -> list[Booking]:
    """Their mails are enqueued."""
    bookings = [live(svc, call=call) for call in range(0, 6, 2)]
    for booking in bookings:
        pay(sandbox, booking)
    refreshing.update_batch(svc, [booking.id for booking in bookings])
    return [svc.bookings.get(booking.id) for booking in bookings]


def test_each_mail_is_sent_once_however_many_batches_deliver(svc: Services, sandbox: Servers, mailbox: Mailbox):
    bookings = three_confirmed(svc, sandbox)
    later = replace(svc, now=lambda: svc.now() + timedelta(minutes=5))  # their leases are over

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: delivery.deliver_batch(later, [booking.id for booking in bookings]), range(10)))
    # What nobody was sure to have claimed is due again when its lease is over.
    latest = replace(svc, now=lambda: svc.now() + timedelta(minutes=7))
    delivery.deliver_batch(latest, [booking.id for booking in bookings])

    ids = [mail["message-id"] for mail in mailbox.messages]
    assert len(ids) == len(set(ids)) == 2 * len(bookings)


def test_a_mail_job_needs_no_claim_of_its_own(svc: Services, sandbox: Servers, mailbox: Mailbox):
    before = three_confirmed(svc, sandbox)
    [job] = deliver_jobs(sandbox)

    delivery.work(svc, job)

    after = [svc.bookings.get(booking.id) for booking in before]
    assert len(mailbox.messages) == 2 * len(before)
    assert all(booking.outbox == () or booking.outbox[0].due > svc.now() for booking in after)
    tasks = len(before[0].delivered | {item.task for item in before[0].outbox if item.tries}) - len(before[0].delivered)
    assert {late.version - early.version for early, late in zip(before, after, strict=True)} == {tasks}


def test_a_mail_job_that_runs_again_sends_nothing_again(svc: Services, sandbox: Servers, mailbox: Mailbox):
    three_confirmed(svc, sandbox)
    [job] = deliver_jobs(sandbox)

    for _ in range(2):
        delivery.work(svc, job)

    ids = [mail["message-id"] for mail in mailbox.messages]
    assert len(ids) == len(set(ids)) == 6


def test_a_mail_job_that_is_handed_out_twice_at_once_sends_each_mail_once(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    three_confirmed(svc, sandbox)
    [job] = deliver_jobs(sandbox)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: delivery.work(svc, job), range(5)))

    ids = [mail["message-id"] for mail in mailbox.messages]
    assert len(ids) == len(set(ids)) == 6


def test_a_mail_job_that_comes_late_leaves_its_mails_to_the_sweep(svc: Services, sandbox: Servers, mailbox: Mailbox):
    bookings = three_confirmed(svc, sandbox)
    [job] = deliver_jobs(sandbox)

    delivery.work(replace(svc, now=lambda: svc.now() + timedelta(seconds=20)), job)

    assert mailbox.messages == []
    due = svc.bookings.due(svc.now() + timedelta(seconds=50), 10)
    assert sorted(due) == sorted(booking.id for booking in bookings)


def test_a_mail_job_leaves_alone_what_another_worker_has_claimed(svc: Services, sandbox: Servers, mailbox: Mailbox):
    bookings = three_confirmed(svc, sandbox)
    [job] = deliver_jobs(sandbox)
    later = svc.now() + timedelta(seconds=46)
    for booking in bookings:
        for item in booking.outbox:
            svc.bookings.change(booking.id, lambda b, task=item.task: rules.claimed(b, task, later))

    delivery.work(svc, job)

    assert mailbox.messages == []


def test_a_job_of_the_last_release_names_one_booking_and_no_lease(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = live(svc)
    refreshing.update(svc, booking.id)

    delivery.work(svc, [booking.id])

    assert len(mailbox.messages) == 1


def test_a_mail_server_that_is_away_is_asked_once_for_a_batch_and_each_mail_is_tried_again(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    bookings = three_confirmed(svc, sandbox)
    [job] = deliver_jobs(sandbox)
    asked: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as busy:
        nowhere = busy.getsockname()[1]
    away = replace(svc, smtp=replace(svc.smtp, port=nowhere, on_outcome=lambda is_well, _: asked.append(is_well)))

    delivery.work(away, job)

    assert asked == [False]
    for booking in bookings:
        mails = [
            item for item in svc.bookings.get(booking.id).outbox if isinstance(item.task, SendEmail) and item.tries
        ]
        assert [mail.tries for mail in mails] == [1, 1]
        assert all(mail.due < svc.now() + timedelta(seconds=5) for mail in mails)


def test_one_refused_mail_of_a_batch_stops_none_of_the_others(svc: Services, sandbox: Servers, mailbox: Mailbox):
    bad, good = live(svc, email="ann@" + "x" * 70 + ".example"), live(svc, call=2)
    refreshing.update_batch(svc, [bad.id, good.id])

    for job in deliver_jobs(sandbox):
        delivery.work(svc, job)

    assert mailbox.subjects_to("ann@example.com") != []
    assert SendEmail(Email.HELD) in svc.bookings.get(good.id).delivered


def test_a_mail_that_would_lie_is_dropped(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = live(svc)
    booking_flow.give_up(svc, booking.token)

    after = refreshing.refresh(svc, booking.id)

    assert after.state is State.CANCELLED
    assert mailbox.messages == []
    assert SendEmail(Email.HELD) in after.delivered


def test_a_refused_mail_is_tried_again_and_holds_up_nothing(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = live(svc)
    pay(sandbox, booking)
    mailbox.refuse = "451 later"

    booking = refreshing.refresh(svc, booking.id)
    assert booking.state is State.CONFIRMED
    assert {item.tries for item in booking.outbox if not is_reminder(item.task)} == {1}
    mailbox.refuse = ""
    refreshing.refresh(replace(svc, now=lambda: svc.now() + timedelta(minutes=2)), booking.id)

    assert len([s for s in mailbox.subjects_to("ann@example.com") if s.startswith("Confirmed")]) == 1
    left = svc.bookings.get(booking.id).outbox
    assert [item.task for item in left if not is_reminder(item.task)] == []


def test_a_task_nobody_knows_how_to_do_does_not_stop_the_others(svc: Services, mailbox: Mailbox):
    booking = live(svc)
    unknown = UnknownTask("juggle:balls")
    svc.bookings.change(booking.id, lambda b: replace(b, outbox=(*b.owing(svc.now(), unknown).outbox[::-1],)))

    after = refreshing.refresh(svc, booking.id)

    assert [item.task for item in after.outbox] == [unknown]
    assert len(mailbox.messages) == 1


def test_a_broken_letter_is_tried_again_and_stops_no_other(svc: Services, mailbox: Mailbox):
    booking = live(svc)
    svc.bookings.change(booking.id, lambda b: b.owing(svc.now(), AlertOwner(AlertKind.AMOUNT)))
    broken = replace(svc, mail_templates=Letters(FOLDER / "nowhere"))

    after = refreshing.refresh(broken, booking.id)
    assert {item.tries for item in after.outbox} == {1}
    refreshing.refresh(replace(svc, now=lambda: svc.now() + timedelta(minutes=2)), booking.id)

    assert len(mailbox.messages) == 2


def test_names_are_written_as_text_and_never_as_markup(svc: Services, mailbox: Mailbox):
    booking = live(svc, name="Ann & Bob")

    refreshing.refresh(svc, booking.id)

    html = mailbox.messages[0].get_body(("html",)).get_content()
    assert "Ann &amp; Bob" in html or "Ann & Bob" not in html


def test_a_booking_that_ran_out_tells_so_once(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = live(svc)
    refreshing.refresh(svc, booking.id)
    later = replace(svc, now=lambda: svc.now() + timedelta(minutes=17))

    for _ in range(5):
        booking = refreshing.refresh(later, booking.id)
    delivery.deliver(later, booking)

    assert booking.state is State.EXPIRED
    assert len(mailbox.subjects_to("ann@example.com")) == 2  # held, expired
