import re
from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.shared.errors import NotFound
from inspired.domain.site.newsletter import SubscriberState
from inspired.flows.site import newsletter
from inspired.services import Services
from tests.conftest import Mailbox


def subscribe(svc: Services, email: str = "ann@example.com") -> str:
    newsletter.subscribe(svc, email)
    found = svc.subscribers.by_email(svc.vault.blind_index("newsletter", email))
    newsletter.send_opt_in(svc, found.id)
    return found.id


def token_in(mailbox: Mailbox) -> str:
    text = mailbox.messages[-1].get_body(("plain",)).get_content()
    return re.search(r"/newsletter/([A-Za-z0-9_-]+)", text)[1]


def test_nobody_is_subscribed_before_agreeing_by_the_mails_link(svc: Services, mailbox: Mailbox):
    subscriber = subscribe(svc)
    assert svc.subscribers.get(subscriber).state is SubscriberState.PENDING

    newsletter.confirm(svc, token_in(mailbox))

    assert svc.subscribers.get(subscriber).state is SubscriberState.SUBSCRIBED


def test_the_address_is_kept_sealed(svc: Services, mailbox: Mailbox):
    subscriber = svc.subscribers.get(subscribe(svc))

    assert "example.com" not in str(subscriber)
    assert newsletter.address_of(svc, subscriber) == "ann@example.com"


def test_asking_twice_sends_one_mail(svc: Services, mailbox: Mailbox):
    subscribe(svc)
    subscribe(svc, "ANN@example.com")

    assert len(mailbox.messages) == 1


def test_a_subscriber_can_leave_with_the_same_link(svc: Services, mailbox: Mailbox):
    subscriber = subscribe(svc)
    token = token_in(mailbox)
    newsletter.confirm(svc, token)

    newsletter.unsubscribe(svc, token)

    assert svc.subscribers.get(subscriber).state is SubscriberState.UNSUBSCRIBED


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_right_token_there_is_nothing(svc: Services, token: str):
    with pytest.raises(NotFound):
        newsletter.find(svc, token)


def test_a_refused_opt_in_mail_is_due_again(svc: Services, mailbox: Mailbox):
    mailbox.refuse = "451 later"
    subscriber = subscribe(svc)
    assert svc.subscribers.due(svc.now() + timedelta(hours=1), 10) == [subscriber]
    mailbox.refuse = ""

    newsletter.send_opt_in(replace(svc, now=lambda: svc.now() + timedelta(hours=1)), subscriber)

    assert len(mailbox.messages) == 1
    assert svc.subscribers.due(svc.now() + timedelta(days=1), 10) == []
