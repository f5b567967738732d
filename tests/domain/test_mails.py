from dataclasses import replace

import pytest

from inspired.domain import effects, mails, status
from inspired.domain.booking import Booking
from inspired.domain.errors import Conflict
from inspired.domain.mails import MailState, Reach, Told
from tests.factories import MINUTE, NOW, a_booking, a_confirmed_booking, owed

LATER = NOW + 5 * MINUTE


def sent(booking: Booking, name: str, note: str = "sent") -> Booking:
    return effects.effect_done(booking, name, LATER, note)


@pytest.mark.parametrize(
    ("note", "state"),
    [("sent", MailState.SENT), ("given up", MailState.GIVEN_UP), ("dropped, no longer true", MailState.DROPPED)],
)
def test_each_mail_tells_what_became_of_it(note: str, state: MailState):
    assert mails.of(sent(a_booking(), "send:held", note)) == [Told("held", 0, state, LATER)]


def test_one_that_is_owed_tells_when_and_how_often_it_failed():
    tried = effects.effect_failed(effects.claimed_effect(a_booking(), "send:held", NOW), "send:held", NOW)

    (told,) = mails.of(tried)
    assert (told.state, told.tries, told.name) == (MailState.OWED, 1, "Your time is held")


def test_sent_again_it_is_owed_under_a_name_of_its_own_each_time():
    booking = sent(a_confirmed_booking(), "send:confirmed")

    once = mails.sent_again(booking, "confirmed", LATER)
    twice = mails.sent_again(sent(once, "send:confirmed:again:1"), "confirmed", LATER)

    assert "send:confirmed:again:1" in owed(once)
    assert "send:confirmed:again:2" in owed(twice)
    assert [(one.mail, one.again) for one in mails.of(twice)][-1] == ("confirmed", 2)
    assert once.check_at == NOW


def test_one_that_is_on_its_way_or_was_never_sent_is_not_sent_again():
    booking = a_confirmed_booking()
    again = mails.sent_again(sent(booking, "send:confirmed"), "confirmed", LATER)

    for wrong in (booking, again):
        with pytest.raises(Conflict, match="on its way"):
            mails.sent_again(wrong, "confirmed", LATER)
    with pytest.raises(Conflict, match="never sent"):
        mails.sent_again(booking, "nonsense", LATER)


def test_mails_reach_the_customer_until_one_of_them_is_given_up():
    booking = a_confirmed_booking()
    given_up = sent(booking, "send:confirmed", "given up")
    of_the_owner = sent(booking, "send:owner_confirmed", "given up")
    dropped = sent(given_up, "send:reminder:1:0", "dropped, no longer true")
    again = sent(mails.sent_again(given_up, "confirmed", LATER), "send:confirmed:again:1")

    found = [mails.reach(one) for one in (booking, of_the_owner, given_up, dropped, again)]

    assert found == [Reach.WELL, Reach.WELL, Reach.REFUSED, Reach.REFUSED, Reach.WELL]


def test_a_mail_that_keeps_failing_is_delayed_and_said_to_be():
    booking = a_confirmed_booking()
    told = [mails.reach(booking)]
    for _ in range(effects.ALERT_AT_TRY):
        booking = effects.effect_failed(effects.claimed_effect(booking, "send:confirmed", NOW), "send:confirmed", NOW)
        told.append(mails.reach(booking))

    assert told == [Reach.WELL] * effects.ALERT_AT_TRY + [Reach.DELAYED]
    assert "delayed" in status.message(booking)
    assert "delayed" not in status.sentence(booking)


def test_the_page_learns_what_becomes_of_the_mail_that_confirms():
    """By its edition, which polls compare: it grows when the customer would see a difference, and only then."""
    booking = a_confirmed_booking()
    was_sent, given_up = (sent(booking, "send:confirmed", note) for note in ("sent", "given up"))
    by_the_way = sent(booking, "send:owner_confirmed")

    editions = [status.numbered(booking, one).edition - booking.edition for one in (was_sent, given_up, by_the_way)]

    assert editions == [1, 1, 0]
    assert mails.awaits_confirmation(booking)
    assert not mails.awaits_confirmation(was_sent)


def test_names_are_words():
    assert mails.name_of("refund_done:b001R01") == "Money has gone back"
    assert mails.name_of("something_else") == "something else"
    assert replace(Told("moved:2", 0, MailState.SENT, NOW)).name == "Moved to another time"
