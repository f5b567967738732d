"""What customers read: every message has its text, with the facts in it."""

from datetime import timedelta
from string import Formatter

import pytest

from inspired.domain.booking.rails import CAPABILITIES, ON_CHAIN, RailId
from inspired.domain.sentences import customer
from inspired.domain.sentences.customer import said
from inspired.domain.shared.messages import Message, MessageId, Parameter
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


AMOUNT = Money.parse("75")
FACTS: dict[str, Parameter] = {
    "amount": AMOUNT, "received": AMOUNT, "price": AMOUNT, "missing": AMOUNT, "kept": AMOUNT, "most": AMOUNT,
    "number": "75", "minutes": 30, "percent": 50, "until": timedelta(hours=2), "time": timedelta(hours=2),
}  # fmt: skip


def test_a_message_about_a_payment_is_said_in_the_words_of_its_rail():
    here, on_chain = (
        said(Message.of(MessageId.GOING_BACK, amount=AMOUNT, rail=rail)) for rail in (RailId.BINANCE_PAY, RailId.TRC20)
    )

    assert here == "75 USDT is going back to the Binance account that paid."
    assert on_chain == "75 USDT is going back to an address that you name."


@pytest.mark.parametrize("rail", ON_CHAIN)
def test_a_customer_who_pays_on_chain_reads_of_no_provider(rail: RailId):
    told = [said(Message.of(one, rail=rail, **FACTS)) for one in MessageId]

    assert len(told) == len(customer.TEXTS)
    assert [text for text in told if "Binance" in text or "account that paid" in text] == []
    assert f"Checking with {CAPABILITIES[rail].provider}" in told
