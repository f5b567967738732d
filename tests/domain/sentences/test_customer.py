"""What customers read: every message has its text, with the facts in it."""

from string import Formatter

from inspired.domain.sentences import customer
from inspired.domain.sentences.customer import said
from inspired.domain.shared.messages import Message, MessageId
from inspired.domain.shared.money import Money


def test_every_message_has_its_text_and_no_text_is_left_over():
    assert set(customer.TEXTS) == set(MessageId)
    assert all(text.strip() == text != "" for text in customer.TEXTS.values())


def test_facts_stand_in_a_text_by_name_so_that_another_language_may_order_them_anew():
    for message_id, text in customer.TEXTS.items():
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        assert all(name.isidentifier() for name in names), message_id


def test_an_amount_is_told_with_its_currency():
    short = Message.of(
        MessageId.SHORT, received=Money.parse("70"), price=Money.parse("75"), missing=Money.parse("5.5", "BNB")
    )

    assert said(short) == "70 USDT of 75 USDT arrived. 5.5 BNB is missing."
