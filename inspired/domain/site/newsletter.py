"""Newsletter subscriptions with double opt-in: nothing is sent to an address before its owner agreed by mail."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking.booking import Sealed
from inspired.domain.shared.languages import ENGLISH

OPT_IN_AGAIN_AFTER = timedelta(hours=1)


class SubscriberState(StrEnum):
    PENDING = "pending"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`mail_due` is set while the opt-in mail is pending; `token` opens the subscriber's own page."""

    id: str
    token: str
    sealed: Sealed
    email_index: str
    created_at: datetime
    state: SubscriberState = SubscriberState.PENDING
    confirmed_at: datetime | None = None
    asked_at: datetime | None = None
    mail_due: datetime | None = None
    mail_tries: int = 0
    language: str = ENGLISH
    version: int = 0


def asked_again(subscriber: Subscriber, now: datetime) -> Subscriber:
    """The form was sent again: another opt-in mail, at most one per hour, and none if already subscribed."""
    if subscriber.state is SubscriberState.SUBSCRIBED:
        return subscriber
    if subscriber.asked_at is not None and now - subscriber.asked_at < OPT_IN_AGAIN_AFTER:
        return subscriber
    return replace(subscriber, asked_at=now, mail_due=now, mail_tries=0)


def confirmed(subscriber: Subscriber, now: datetime) -> Subscriber:
    if subscriber.state is SubscriberState.SUBSCRIBED:
        return subscriber
    return replace(subscriber, state=SubscriberState.SUBSCRIBED, confirmed_at=now, mail_due=None)


def unsubscribed(subscriber: Subscriber) -> Subscriber:
    return replace(subscriber, state=SubscriberState.UNSUBSCRIBED, mail_due=None)
