import pytest

from inspired.adapters.mongo.spellings import task_in
from inspired.domain.booking import delivery, mails, status
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.mails import MailState, Reach, Told
from inspired.domain.booking.outbox import Email, Result, SendEmail
from inspired.domain.sentences import customer, owner
from inspired.domain.shared.errors import Conflict
from tests.factories import MINUTE, NOW, a_booking, a_confirmed_booking, owed

LATER = NOW + 5 * MINUTE
CONFIRMED = SendEmail(Email.CONFIRMED)


def sent(booking: Booking, name: str, result: Result = Result.SENT) -> Booking:
    return delivery.done(booking, task_in(name), LATER, result)


@pytest.mark.parametrize(
    ("result", "state"),
    [(Result.SENT, MailState.SENT), (Result.GIVEN_UP, MailState.GIVEN_UP), (Result.STALE, MailState.DROPPED)],
)
def test_each_mail_tells_what_became_of_it(result: Result, state: MailState):
    assert mails.of(sent(a_booking(), "send:held", result)) == [Told(SendEmail(Email.HELD), state, LATER)]


def test_one_that_is_owed_tells_when_and_how_often_it_failed():
    tried = delivery.failed(delivery.claimed(a_booking(), task_in("send:held"), NOW), task_in("send:held"), NOW)

    (told,) = mails.of(tried)
    assert (told.state, told.tries, told.email) == (MailState.OWED, 1, SendEmail(Email.HELD))


def test_sent_again_it_is_owed_under_a_name_of_its_own_each_time():
    booking = sent(a_confirmed_booking(), "send:confirmed")

    once = mails.sent_again(booking, CONFIRMED, LATER)
    twice = mails.sent_again(sent(once, "send:confirmed:again:1"), CONFIRMED, LATER)

    assert "send:confirmed:again:1" in owed(once)
    assert "send:confirmed:again:2" in owed(twice)
    assert mails.of(twice)[-1].email == SendEmail(Email.CONFIRMED, repeat=2)
    assert once.check_at == NOW


def test_one_that_is_on_its_way_or_was_never_sent_is_not_sent_again():
    booking = a_confirmed_booking()
    again = mails.sent_again(sent(booking, "send:confirmed"), CONFIRMED, LATER)

    for wrong in (booking, again):
        with pytest.raises(Conflict, match="on its way"):
            mails.sent_again(wrong, CONFIRMED, LATER)
    with pytest.raises(Conflict, match="never sent"):
        mails.sent_again(booking, SendEmail(Email.CHOOSE), LATER)


def test_mails_reach_the_customer_until_one_of_them_is_given_up():
    booking = a_confirmed_booking()
    given_up = sent(booking, "send:confirmed", Result.GIVEN_UP)
    of_the_owner = sent(booking, "send:owner_confirmed", Result.GIVEN_UP)
    dropped = sent(given_up, "send:reminder:1:0", Result.STALE)
    again = sent(mails.sent_again(given_up, CONFIRMED, LATER), "send:confirmed:again:1")

    found = [mails.reach(one) for one in (booking, of_the_owner, given_up, dropped, again)]

    assert found == [Reach.WELL, Reach.WELL, Reach.REFUSED, Reach.REFUSED, Reach.WELL]


def test_a_mail_that_keeps_failing_is_delayed_and_said_to_be():
    booking = a_confirmed_booking()
    told = [mails.reach(booking)]
    for _ in range(delivery.ALERT_AT_TRY):
        booking = delivery.failed(
            delivery.claimed(booking, task_in("send:confirmed"), NOW), task_in("send:confirmed"), NOW
        )
        told.append(mails.reach(booking))

    assert told == [Reach.WELL] * delivery.ALERT_AT_TRY + [Reach.DELAYED]
    assert "delayed" in customer.message(booking)
    assert "delayed" not in customer.sentence(booking)


def test_the_page_learns_what_becomes_of_the_mail_that_confirms():
    """By its edition, which polls compare: it grows when the customer would see a difference, and only then."""
    booking = a_confirmed_booking()
    was_sent, given_up = (sent(booking, "send:confirmed", note) for note in (Result.SENT, Result.GIVEN_UP))
    by_the_way = sent(booking, "send:owner_confirmed")

    status_versions = [
        status.numbered(booking, one).status_version - booking.status_version
        for one in (was_sent, given_up, by_the_way)
    ]

    assert status_versions == [1, 1, 0]
    assert mails.awaits_confirmation(booking)
    assert not mails.awaits_confirmation(was_sent)


def test_every_mail_has_a_name_in_words():
    assert set(owner.EMAILS) == set(Email)
    assert owner.EMAILS[Email.REFUND_DONE] == "Money has gone back"


def test_a_mail_is_found_by_the_name_it_was_sent_under_first():
    booking = sent(sent(a_confirmed_booking(), "send:refund_done:b001R01"), "send:refund_done:b001R01:again:1")

    assert mails.find(booking, "refund_done:b001R01") == SendEmail(Email.REFUND_DONE, "b001R01")
    for wrong in ("refund_done", "refund_done:b001R01:again:1", "send:confirmed", "nonsense", ""):
        with pytest.raises(Conflict):
            mails.find(booking, wrong)
