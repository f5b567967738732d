"""Addresses from an xpub: the ones the owner's wallet shows, and nothing that can spend is taken or told on."""

import logging

import pytest
from bip_utils import Bip32Slip10Secp256k1, Bip39SeedGenerator, EthAddrEncoder, TrxAddrEncoder, WifEncoder
from hypothesis import given
from hypothesis import strategies as st

from inspired.adapters.crypto import base58check
from inspired.adapters.crypto.account_keys import LENGTH, AccountKey, is_secret
from inspired.adapters.crypto.chain_addresses import parsed, shown
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind, Network

# The mnemonic that every Ethereum developer's tools begin with. It holds nobody's money.
WORDS = "test test test test test test test test test test test junk"
SEED = Bip39SeedGenerator(WORDS).Generate()
XPUB_EVM = (
    "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"
)
XPUB_TRON = (
    "xpub6BuRy7ZmkGfP2RWhoor1kWB1w9DvrtmJbFBvnC1bQ4SB5NbCHTyQYCJSXZtxDbFyHTmC7wkU2he3nYYdpZ3Vf6qUAkXSnL6RPif4BDtDEKr"
)
ZPUB = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs"
ADDRESSES_EVM = [
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
]
ADDRESSES_TRON = [
    "TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6",
    "TPjjvMwjPoDC32V2dGDYTkLH4E5LAtBZ6C",
    "TB7mhtkvfhsRBRhe5FuRa4tFXSEyGDe4eA",
    "TEb822rMZ5QkYReuqdqK61zkheaan97PZZ",
    "TYc2iBENTQ7kwx5jbjW3JDqugR7kogQZn3",
]
# The second account of a wallet that gives each address an account of its own: not under the first one's xpub.
SECOND_ACCOUNT = "0x8C8d35429F74ec245F8Ef2f4Fd1e551cFF97d650"
NETWORKS = {Kind.EVM: Network.ERC20, Kind.TRON: Network.TRC20}


def written(kind: Kind, xpub: str, count: int = 5) -> list[str]:
    """The first addresses, as the owner's wallet shows them."""
    key = AccountKey.read(kind, xpub)
    return [shown(NETWORKS[kind], key.address(index)) for index in range(count)]


def refusal(text: str, kind: Kind = Kind.EVM) -> str:
    with pytest.raises(Invalid) as caught:
        AccountKey.read(kind, text)
    return str(caught.value)


def altered(*, at: int, to: bytes) -> str:
    """The xpub with other bytes from that place on, and a checksum that is right."""
    payload = base58check.decoded(XPUB_EVM, 78)
    assert payload is not None
    return base58check.encoded(payload[:at] + to + payload[at + len(to) :])


# --- the right addresses --------------------------------------------------------------------------------------------


def test_the_addresses_are_the_ones_the_wallet_shows():
    assert written(Kind.EVM, XPUB_EVM) == ADDRESSES_EVM
    assert written(Kind.TRON, XPUB_TRON) == ADDRESSES_TRON


def test_the_key_of_one_coin_read_as_the_others_gives_addresses_that_its_wallet_does_not_show():
    assert written(Kind.TRON, XPUB_EVM)[0] == "TYBNgWfhGuNzdLtjKtxXTfskAhTbMcqbaG"
    assert written(Kind.EVM, XPUB_TRON)[0] == "0xe2E1a54926527Fbb4E4420DE4c6BAb82beAEE24D"
    assert not {*written(Kind.TRON, XPUB_EVM, 100)} & {*ADDRESSES_TRON}
    assert not {*written(Kind.EVM, XPUB_TRON, 100)} & {*ADDRESSES_EVM}


def test_an_address_of_the_wallets_second_account_never_comes_out_of_the_first():
    assert SECOND_ACCOUNT not in written(Kind.EVM, XPUB_EVM, 1000)

    second = Bip32Slip10Secp256k1.FromSeedAndPath(SEED, "m/44'/60'/1'").PublicKey().ToExtended()
    assert written(Kind.EVM, second)[0] == SECOND_ACCOUNT
    assert AccountKey.read(Kind.EVM, second).account == 1


@given(st.binary(min_size=16, max_size=64), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_another_library_comes_to_the_same_addresses(seed, account, index):
    for coin, kind, encoder in ((60, Kind.EVM, EthAddrEncoder), (195, Kind.TRON, TrxAddrEncoder)):
        theirs = Bip32Slip10Secp256k1.FromSeedAndPath(seed, f"m/44'/{coin}'/{account}'").PublicKey().ToExtended()
        ours = AccountKey.read(kind, theirs)

        branch = Bip32Slip10Secp256k1.FromExtendedKey(theirs).ChildKey(0)
        their_address = encoder.EncodeKey(branch.ChildKey(index).PublicKey().KeyObject())
        assert shown(NETWORKS[kind], ours.address(index)) == their_address
        assert parsed(NETWORKS[kind], their_address) == ours.address(index)
        assert ours.account == account


@pytest.mark.parametrize("around", ["  {}", "{}\n", "\r\n{} \t"])
def test_space_around_the_key_is_no_part_of_it(around):
    assert AccountKey.read(Kind.EVM, around.format(XPUB_EVM)) == AccountKey.read(Kind.EVM, XPUB_EVM)


@pytest.mark.parametrize("index", [-1, 2**31, 2**32])
def test_hardened_addresses_cannot_come_from_a_public_key(index):
    with pytest.raises(ValueError, match="below 2"):
        AccountKey.read(Kind.EVM, XPUB_EVM).address(index)


# --- keys that are refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name"),
    [("049d7cb2", "ypub"), ("04b24746", "zpub"), ("043587cf", "tpub"), ("044a5262", "upub"), ("045f1cf6", "vpub")],
)
def test_a_key_for_another_network_is_named(version, name):
    text = altered(at=0, to=bytes.fromhex(version))

    assert text.startswith(name)
    assert refusal(text) == f"This is a {name}, a key for another network. We need the xpub of m/44'/60'/0'."


def test_the_same_key_written_as_a_zpub_is_refused():
    assert "This is a zpub" in refusal(ZPUB)


def test_a_version_that_nobody_knows_is_refused():
    assert "of a kind that we do not know" in refusal(altered(at=0, to=bytes.fromhex("0488b21f")))


@pytest.mark.parametrize("path", ["m", "m/44'", "m/44'/60'", "m/44'/60'/0'/0", "m/44'/60'/0'/0/0"])
def test_only_the_key_of_an_account_is_taken(path):
    key = Bip32Slip10Secp256k1.FromSeedAndPath(SEED, path).PublicKey().ToExtended()

    assert "is not the one of an account. We need the one of m/44'/60'/0'" in refusal(key)
    assert "We need the one of m/44'/195'/0'" in refusal(key, Kind.TRON)


def test_the_key_of_an_account_that_is_not_hardened_is_no_wallets():
    assert "is not the one of an account" in refusal(altered(at=9, to=(7).to_bytes(4, "big")))


@pytest.mark.parametrize("key", [b"\x02" + b"\xff" * 32, b"\x04" + b"\x11" * 32, b"\x00" + b"\x11" * 32, bytes(33)])
def test_a_key_that_is_no_point_of_the_curve_is_refused(key):
    assert refusal(altered(at=45, to=key)) == "This extended public key holds no valid key. Please copy it again."


@pytest.mark.parametrize(
    "text", ["", "xpub", XPUB_EVM[:-1], XPUB_EVM + "P", XPUB_EVM[:50] + "\n" + XPUB_EVM[50:], ADDRESSES_EVM[0]]
)
def test_a_part_of_a_key_is_told_how_long_it_is(text):
    assert f"begins with xpub and has {LENGTH} characters" in refusal(text)


@given(st.integers(0, LENGTH - 1), st.sampled_from(base58check.ALPHABET + "0OIl"))
def test_any_changed_character_is_noticed(place, other):
    changed = XPUB_EVM[:place] + other + XPUB_EVM[place + 1 :]

    if changed != XPUB_EVM:
        assert "checksum of this key is wrong" in refusal(changed)


# --- secrets --------------------------------------------------------------------------------------------------------


def secrets() -> dict[str, str]:
    """Everything that can spend, made from the one mnemonic that is nobody's."""
    account = Bip32Slip10Secp256k1.FromSeedAndPath(SEED, "m/44'/60'/0'")
    private = account.PrivateKey().Raw()
    payload = base58check.decoded(account.PrivateKey().ToExtended(), 78)
    assert payload is not None
    others = {"yprv": "049d7878", "zprv": "04b2430c", "tprv": "04358394"}
    return {
        **{f"{n} words": " ".join(WORDS.split()[:1] * n) for n in (12, 15, 18, 21, 24)},
        "words on lines": WORDS.replace(" ", "\n"),
        "words with commas": WORDS.replace(" ", ", "),
        "spaced": f"  {WORDS.replace(' ', '   ')}\n",
        "words in a list": f"{ADDRESSES_EVM[0]}\n{WORDS}\n{ADDRESSES_EVM[1]}",
        "hex": private.ToHex(),
        "hex with 0x": "0x" + private.ToHex(),
        "capital hex": private.ToHex().upper(),
        "hex in a list": f"{ADDRESSES_EVM[0]},{private.ToHex()}",
        "xprv": account.PrivateKey().ToExtended(),
        "xprv cut short": account.PrivateKey().ToExtended()[:60],
        **{name: base58check.encoded(bytes.fromhex(version) + payload[4:]) for name, version in others.items()},
        "WIF": WifEncoder.Encode(private.ToBytes()),
        "WIF of a test network": WifEncoder.Encode(private.ToBytes(), b"\xef"),
    }


SECRETS = secrets()


@pytest.mark.parametrize("what", SECRETS)
def test_what_can_spend_is_recognised_and_the_owner_told_to_move_the_money(what):
    assert is_secret(SECRETS[what])
    assert "This is a secret that can spend your money" in refusal(SECRETS[what])
    assert "move the money to a new wallet" in refusal(SECRETS[what], Kind.TRON)


@pytest.mark.parametrize(
    "text",
    [
        "",
        XPUB_EVM,
        ZPUB,
        *ADDRESSES_EVM[:2],
        *ADDRESSES_TRON[:2],
        "\n".join(ADDRESSES_EVM * 3),
        "\n".join(ADDRESSES_TRON * 3),
        "test " * 11,
        "test " * 13,
        "The money of the first call is on its way to the wallet.",
        "a" * 63,
        "a" * 65,
    ],
)
def test_what_may_be_entered_is_no_secret(text):
    assert not is_secret(text)


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_repeated_nowhere(what, caplog, capfd):
    with caplog.at_level(logging.DEBUG), pytest.raises(Invalid) as caught:
        AccountKey.read(Kind.EVM, SECRETS[what])

    error = caught.value
    told = [str(error), repr(error), str(error.fields), caplog.text, *capfd.readouterr()]
    assert error.__cause__ is None
    assert error.__context__ is None
    for word in {*SECRETS[what].split()}:
        assert not [one for one in told if word in one]


def test_the_key_itself_is_in_no_report_of_an_error():
    key = AccountKey.read(Kind.EVM, XPUB_EVM)

    assert repr(key) == "AccountKey(kind=<Kind.EVM: 'EVM'>, account=0)"


def test_a_path_is_written_as_wallets_write_it():
    assert AccountKey.read(Kind.EVM, XPUB_EVM).path(7) == "m/44'/60'/0'/0/7"
    assert AccountKey.read(Kind.TRON, XPUB_TRON).path(0) == "m/44'/195'/0'/0/0"
