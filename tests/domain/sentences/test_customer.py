"""What customers read: every message has its text, with the facts in it."""

from datetime import timedelta
from string import Formatter

import pytest

from inspired.domain.booking.rails import RailId
from inspired.domain.sentences import customer
from inspired.domain.sentences.customer import said
from inspired.domain.sentences.rails import WORDS, Words
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


CHAIN = Words(
    rail="USDT on TRON", asked="TRON", how="on TRON", source="from any wallet", speed="a few minutes",
    never="We never ask you to send anything but USDT.", receipt="the hash of your transaction",
    number_shown="the hash of your transaction", code="QR code of the address", closed="closed",
    refunds="Refunds are sent to an address of yours.",
    back_to="the address named for it", refund_sent="The owner sends it.", refund_taken="The owner has sent it.",
    refund_found="You find it at the address you named.", at="on TRON", portal="in a block explorer",
    account="At the addresses on TRON", console="your wallet",
)  # fmt: skip
AMOUNT = Money.parse("75")
FACTS: dict[str, Parameter] = {
    "amount": AMOUNT, "received": AMOUNT, "price": AMOUNT, "missing": AMOUNT, "kept": AMOUNT, "most": AMOUNT,
    "number": "75", "minutes": 30, "percent": 50, "until": timedelta(hours=2), "time": timedelta(hours=2),
}  # fmt: skip


def test_a_message_about_a_payment_is_said_in_the_words_of_its_rail(monkeypatch: pytest.MonkeyPatch):
    going_back = Message.of(MessageId.GOING_BACK, amount=AMOUNT, rail=RailId.BINANCE_PAY)

    here = said(going_back)
    monkeypatch.setitem(WORDS, RailId.BINANCE_PAY, CHAIN)

    assert here == "75 USDT is going back to the Binance account that paid."
    assert said(going_back) == "75 USDT is going back to the address named for it."


def test_a_customer_who_paid_by_another_rail_reads_of_no_provider_but_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(WORDS, RailId.BINANCE_PAY, CHAIN)

    told = [said(Message.of(one, rail=RailId.BINANCE_PAY, **FACTS)) for one in MessageId]

    assert len(told) == len(customer.TEXTS)
    assert [text for text in told if "Binance" in text or "account that paid" in text] == []
    assert "Checking with TRON" in told
