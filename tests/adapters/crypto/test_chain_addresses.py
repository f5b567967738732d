"""Addresses: what a slip of the hand or of the clipboard may not turn into somebody else's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.adapters.crypto import base58check
from inspired.adapters.crypto.chain_addresses import ZERO, keccak, parsed, shown
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import FACTS, Network

EVM = [one for one in Network if one.facts.is_evm]
HEX = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
EIP_55 = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
TRON_HEX = "0xe2e1a54926527fbb4e4420de4c6bab82beaee24d"
TRON = "TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6"
ADDRESSES = st.binary(min_size=20, max_size=20).filter(any).map(lambda found: "0x" + found.hex())

# The examples of EIP-55 itself: mixed, all capital, all small.
EXAMPLES = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
]


def refusal(network: Network, text: str) -> str:
    with pytest.raises(Invalid) as caught:
        parsed(network, text)
    return str(caught.value)


def test_an_address_is_read_into_one_form_and_shown_as_wallets_show_it():
    assert {parsed(one, EIP_55) for one in EVM} == {HEX}
    assert parsed(Network.TRC20, TRON) == TRON_HEX
    assert {shown(one, HEX) for one in EVM} == {EIP_55}
    assert shown(Network.TRC20, TRON_HEX) == TRON


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_standard_are_right_whatever_the_case_of_their_letters(text):
    assert shown(Network.ERC20, parsed(Network.ERC20, text)) == text


def test_usdt_has_the_addresses_that_its_issuer_publishes():
    assert {one: shown(one, one.facts.usdt) for one in Network} == {
        Network.TRC20: "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        Network.BEP20: "0x55d398326f99059fF775485246999027B3197955",
        Network.ERC20: "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    }


@pytest.mark.parametrize(("network", "text"), [(Network.ERC20, EIP_55), (Network.TRC20, TRON)])
@pytest.mark.parametrize("around", [" {}", "{}\n", "\t{}\r\n", "\u00a0{}\u2003"])
def test_space_around_an_address_is_no_part_of_it(network, text, around):
    assert parsed(network, around.format(text)) == parsed(network, text)


@given(st.sampled_from(Network), ADDRESSES)
def test_what_is_shown_is_read_back_as_the_same_address(network, address):
    assert parsed(network, shown(network, address)) == address


@given(ADDRESSES, st.integers(1, 33), st.sampled_from(base58check.ALPHABET))
def test_on_tron_any_changed_character_is_noticed(address, place, other):
    right = shown(Network.TRC20, address)
    changed = right[:place] + other + right[place + 1 :]

    if changed == right:
        assert parsed(Network.TRC20, changed) == address
    else:
        assert "checksum of this address is wrong" in refusal(Network.TRC20, changed)


@pytest.mark.parametrize(
    "text",
    [
        EIP_55.replace("Fb9", "fb9"),
        EIP_55.replace("f39F", "f39f"),
        EIP_55.replace("92266", "92267"),
        "0x" + EIP_55[2:].swapcase(),
    ],
)
def test_a_wrong_checksum_is_told_and_no_flag_overrules_it(text):
    assert "checksum of this address is wrong" in refusal(Network.ERC20, text)
    with pytest.raises(Invalid, match="checksum of this address is wrong"):
        parsed(Network.ERC20, text, unchecked=True)


@pytest.mark.parametrize("text", [HEX, "0x" + HEX[2:].upper()])
def test_an_address_without_a_checksum_is_taken_only_where_that_is_said(text):
    assert "lost its checksum" in refusal(Network.BEP20, text)
    assert parsed(Network.BEP20, text, unchecked=True) == HEX


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        EIP_55[2:],
        "0X" + EIP_55[2:],
        "0X" + HEX[2:].upper(),
        EIP_55 + "0",
        EIP_55[:-1],
        EIP_55[:20] + " " + EIP_55[20:],
        EIP_55[:-1] + "g",
        EIP_55[:-1] + "\uff16",  # a digit six, but of full width
        f"ethereum:{EIP_55}",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    ],
)
def test_what_is_no_evm_address_is_told_what_one_looks_like(text):
    assert refusal(Network.ERC20, text) == "An address on this network is 0x and then 40 digits or letters from a to f."


@pytest.mark.parametrize(
    "text", ["", "T", TRON[:-1], TRON + "6", TRON[:10] + " " + TRON[10:], "41" + TRON_HEX[2:], TRON.lower(), "1" + TRON]
)
def test_what_is_no_tron_address_is_told_what_one_looks_like(text):
    assert refusal(Network.TRC20, text) == "An address on TRON is T and then 33 digits or letters."


@pytest.mark.parametrize(
    "text",
    [
        TRON[:-1] + "7",
        "T" + TRON[1:].replace("k", "l", 1),  # l is no letter of Base58
        "T" + "z" * 33,
        "T" + "1" * 33,
        TRON[:-1] + "é",
    ],
)
def test_a_tron_address_with_a_slip_in_it_is_refused(text):
    assert "checksum of this address is wrong" in refusal(Network.TRC20, text)


def test_a_text_of_34_characters_with_a_right_checksum_is_still_no_tron_address_without_its_first_byte():
    other = base58check.encoded(b"\x42" + bytes.fromhex(TRON_HEX[2:]))

    assert len(other) == 34
    assert refusal(Network.TRC20, other).startswith(("An address on TRON", "The checksum"))


@pytest.mark.parametrize("text", [EIP_55, HEX, "0X" + HEX[2:]])
def test_an_address_of_the_other_kind_of_network_is_named_as_that_on_tron(text):
    assert refusal(Network.TRC20, text) == "This is an address of Ethereum or BNB Chain. One of TRON begins with T."


def test_an_address_of_the_other_kind_of_network_is_named_as_that_on_the_others():
    assert {refusal(one, TRON) for one in EVM} == {
        "This is an address of TRON. One of BNB Chain begins with 0x.",
        "This is an address of TRON. One of Ethereum begins with 0x.",
    }


@pytest.mark.parametrize("network", Network)
@pytest.mark.parametrize("of", Network)
def test_usdts_own_contract_is_no_wallet_on_any_network(network, of):
    assert "address of USDT itself" in refusal(network, shown(network, FACTS[of].usdt))


@pytest.mark.parametrize("network", Network)
def test_the_zero_address_is_nobodys(network):
    assert "the zero address" in refusal(network, shown(network, ZERO))
    assert shown(Network.TRC20, ZERO) == "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"


@given(st.text(max_size=60))
def test_no_refusal_repeats_what_was_pasted(text):
    for network in Network:
        said = refusal(network, "secret" + text)
        assert "secret" not in said


@pytest.mark.parametrize("address", [EIP_55, HEX[2:], HEX + "00", "0x41" + HEX[2:], HEX + "\n", ""])
def test_only_the_one_form_inside_is_ever_shown(address):
    for network in Network:
        with pytest.raises(ValueError, match=re.escape("20 bytes as lower-case hex with 0x")):
            shown(network, address)


def test_keccak_is_the_one_of_ethereum_and_not_the_later_standard():
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x00" + bytes(20), "1111111111111111111114oLvT2"),
        (b"\x00\x01", None),
        (b"", "3QJmnh"),
        (b"hello", None),
    ],
)
def test_base58check_is_read_back_and_knows_leading_zeros(payload, text):
    written = base58check.encoded(payload)

    assert text in (None, written)
    assert base58check.decoded(written, len(payload)) == payload
    assert base58check.decoded("1" + written, len(payload)) is None
    assert base58check.decoded(written, len(payload) + 1) is None
