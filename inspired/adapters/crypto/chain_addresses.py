"""Addresses on the networks: read from what people paste, and written the way wallets show them.

Inside the product every address has one form, whatever its network: 20 bytes as lower-case hex with 0x. That is also
what nodes speak, TRON's too. EIP-55: https://eips.ethereum.org/EIPS/eip-55 · TRON:
https://developers.tron.network/docs/account
"""

import re

import sha3

from inspired.adapters.crypto import base58check
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.languages import Text
from inspired.domain.shared.networks import FACTS, Kind, Network

EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
EVM_LENGTH = 42
TRON_LENGTH = 34
TRON_PREFIX = b"\x41"
ZERO = "0x" + "0" * 40
CONTRACTS = frozenset(facts.usdt for facts in FACTS.values())
# The first addresses of the recovery phrase that wallets' own tests use ("test test … junk"), on Ethereum and on TRON:
# everybody can spend what they receive.
EVERYBODYS = frozenset({
    "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
    "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
    "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
    "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
    "0xe2e1a54926527fbb4e4420de4c6bab82beaee24d",
    "0x9705bf55c3dcc6d277ebb8fe2a68762268822ba2",
    "0x0c96c0e10bb5e7e7edacf82ad00e3d60790351da",
    "0x32ab5167665722351b42cfa8302a81b695bb6639",
    "0xf84991394bb0a02cd655c1c70321cc8ed479316d",
})  # fmt: skip


def parsed(network: Network, text: str, *, unchecked: bool = False) -> str:
    """The address in this text: 20 bytes as lower-case hex with 0x. Space around it is no part of it.

    `unchecked`: take an EVM address whose letters are all small or all capital, too. It carries no checksum, so a
    mistyped one goes unnoticed. Raises Invalid with a sentence that repeats nothing of the text.
    """
    text = text.strip()
    address = _parsed_evm(network, text, unchecked) if network.facts.is_evm else _parsed_tron(text)
    if address == ZERO:
        raise Invalid("This is the zero address: nobody has its key, and what is sent there is lost.")
    if address in CONTRACTS:
        raise Invalid("This is the address of USDT itself, not of a wallet: what is sent there is lost.")
    return address


def shown(network: Network, address: str) -> str:
    """The address as wallets show it: by EIP-55, or T… on TRON. `address`: 20 bytes as lower-case hex with 0x, else
    ValueError."""
    if not EVM_ADDRESS.fullmatch(address) or address != address.lower():
        raise ValueError("an address is 20 bytes as lower-case hex with 0x")
    if network.facts.kind is Kind.TRON:
        return base58check.encoded(TRON_PREFIX + bytes.fromhex(address[2:]))
    # Each letter is a capital where the hash of the small letters has a digit from 8 on.
    digits = address[2:]
    hashed = keccak(digits.encode()).hex()
    return "0x" + "".join(sign.upper() if int(by, 16) >= 8 else sign for sign, by in zip(digits, hashed, strict=False))


def keccak(data: bytes) -> bytes:
    """Keccak-256, which is not `hashlib.sha3_256`."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def _parsed_evm(network: Network, text: str, unchecked: bool) -> str:
    if len(text) == TRON_LENGTH and text.startswith("T"):
        raise Invalid(
            Text.of("This is an address of TRON. One of {network} begins with 0x.", network=network.facts.name)
        )
    if len(text) != EVM_LENGTH or not EVM_ADDRESS.fullmatch(text):
        raise Invalid("An address on this network is 0x and then 40 digits or letters from a to f.")
    address = text.lower()
    if text == shown(network, address):
        return address
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()):
        raise Invalid(
            "The checksum of this address is wrong: a character was mistyped or changed. Please copy it again."
        )
    if not unchecked:
        raise Invalid(
            "This address has lost its checksum, which is in its capital and small letters. "
            "Please copy it as the wallet shows it."
        )
    return address


def _parsed_tron(text: str) -> str:
    if len(text) == EVM_LENGTH and text[:2] in ("0x", "0X"):
        raise Invalid("This is an address of Ethereum or BNB Chain. One of TRON begins with T.")
    if len(text) != TRON_LENGTH or not text.startswith("T"):
        raise Invalid("An address on TRON is T and then 33 digits or letters.")
    payload = base58check.decoded(text, 21)
    if payload is None or not payload.startswith(TRON_PREFIX):
        raise Invalid(
            "The checksum of this address is wrong: a character was mistyped or changed. Please copy it again."
        )
    return "0x" + payload[1:].hex()
