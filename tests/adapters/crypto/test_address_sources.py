"""Keys and lists that are pasted: which is which, what is wrong in which line, and no secret repeated."""

import pytest

from inspired.adapters.crypto.account_keys import AccountKey
from inspired.adapters.crypto.address_sources import MOST_ADDRESSES, AddressList, Source, in_one_spelling, read
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind, Network
from tests.adapters.crypto.test_account_keys import ADDRESSES_EVM, ADDRESSES_TRON, WORDS, XPUB_EVM, XPUB_TRON

SECRET = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
MISTYPED = ADDRESSES_EVM[1][:-1] + ("9" if ADDRESSES_EVM[1][-1] != "9" else "8")


def refusal(kind: Kind, text: str) -> str:
    with pytest.raises(Invalid) as caught:
        read(kind, text)
    return str(caught.value)


def test_a_single_word_that_is_no_address_is_an_account_key_and_all_else_a_list():
    assert isinstance(read(Kind.EVM, f" {XPUB_EVM}\n"), AccountKey)
    assert isinstance(read(Kind.TRON, XPUB_TRON), AccountKey)
    assert read(Kind.EVM, ADDRESSES_EVM[0]) == AddressList(Kind.EVM, (ADDRESSES_EVM[0].lower(),))
    assert isinstance(read(Kind.TRON, "\n".join(ADDRESSES_TRON)), AddressList)


def test_a_list_keeps_its_order_and_takes_addresses_with_and_without_checksum():
    found = read(Kind.EVM, f"{ADDRESSES_EVM[2]}\n\n  {ADDRESSES_EVM[0].lower()}\r\n")

    assert isinstance(found, AddressList)
    assert [found.address(0), found.address(1)] == [ADDRESSES_EVM[2].lower(), ADDRESSES_EVM[0].lower()]


@pytest.mark.parametrize("index", [-1, 2])
def test_beyond_a_list_there_is_no_address(index: int):
    with pytest.raises(ValueError, match="no address of this number"):
        AddressList(Kind.EVM, ("0xaa", "0xbb")).address(index)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (MISTYPED, "checksum"),
        ("0x1234", "40 digits"),
        (ADDRESSES_TRON[0], "address of TRON"),
        (ADDRESSES_EVM[0].lower(), "stands in line 1 already"),
        ("0x" + "0" * 40, "zero address"),
        (Network.BEP20.facts.usdt, "address of USDT itself"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_is_not_repeated(line: str, words: str):
    told = refusal(Kind.EVM, f"{ADDRESSES_EVM[0]}\n{line}\n{ADDRESSES_EVM[2]}")

    assert told.startswith("Line 2: ")
    assert words in told
    assert line not in told


def test_what_is_wrong_on_tron_is_told_as_well():
    told = refusal(
        Kind.TRON, f"{ADDRESSES_TRON[0][:-1]}x\n{ADDRESSES_TRON[1]}\n{ADDRESSES_TRON[1]}\n{ADDRESSES_EVM[0]}"
    )

    assert [told.count(words) for words in ("Line 1: The checksum", "Line 3: this address", "Line 4: This is an")] == [
        1,
        1,
        1,
    ]


def test_many_wrong_lines_are_counted():
    assert refusal(Kind.EVM, "\n".join(["0x1"] * 12)).endswith("7 more lines are wrong.")


def test_a_list_is_no_longer_than_fits_into_a_form():
    lines = [f"0x{number + 1:040x}" for number in range(MOST_ADDRESSES + 1)]

    assert f"at most {MOST_ADDRESSES}" in refusal(Kind.EVM, "\n".join(lines))
    assert isinstance(read(Kind.EVM, "\n".join(lines[:-1])), AddressList)
    assert len("\r\n".join(lines[:-1])) < 60_000


@pytest.mark.parametrize(
    "text",
    [
        WORDS,
        SECRET,
        f"0x{SECRET}",
        f"{ADDRESSES_EVM[0]}\n{SECRET}",
        f"{ADDRESSES_EVM[0]}\n{WORDS}\n{ADDRESSES_EVM[1]}",
        f"my key: xprv{'9' * 40}",
    ],
)
@pytest.mark.parametrize("kind", Kind)
def test_a_secret_is_refused_with_the_word_to_move_the_money_and_is_not_repeated(kind: Kind, text: str):
    told = refusal(kind, text)

    assert "move the money to a new wallet" in told
    assert not [word for word in text.split() if len(word) > 20 and word in told]
    assert "junk" not in told


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_nothing_is_no_source(text: str):
    assert "paste an account key" in refusal(Kind.EVM, text)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Kind.EVM, (XPUB_EVM, f"\n{XPUB_EVM} ")),
        (Kind.EVM, (f"{ADDRESSES_EVM[0]}\n{ADDRESSES_EVM[1]}", f" {ADDRESSES_EVM[0].lower()}\r\n\n{ADDRESSES_EVM[1]}")),
        (Kind.TRON, (ADDRESSES_TRON[0], f"\n{ADDRESSES_TRON[0]}\n")),
    ],
)
def test_the_same_source_is_the_same_text_however_it_was_pasted(kind: Kind, texts: tuple[str, str]):
    first, second = (in_one_spelling(read(kind, text), text) for text in texts)

    assert first == second
    assert read(kind, first) == read(kind, texts[0])


def test_neither_list_nor_key_shows_when_a_source_is_printed():
    for text in (XPUB_EVM, ADDRESSES_EVM[0]):
        given_by = read(Kind.EVM, text)
        printed = repr(Source("id", Kind.EVM, in_one_spelling(given_by, text), given_by))
        assert text.lower() not in printed.lower()
