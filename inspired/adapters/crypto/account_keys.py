"""Addresses from the owner's account key, which can watch and never spend.

Only an extended public key of an account is read (xpub of m/44'/60'/a' or m/44'/195'/a'). Address i is `0/i` under it,
as wallets number them. A key that can spend is never asked for; pasted by mistake it is refused, and neither stored,
logged nor repeated in any error. An xpub does not say for which coin it is: only the owner's wallet can show whether
the addresses are the right ones.

BIP32, with its version bytes: https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki · the others' version
bytes: https://github.com/satoshilabs/slips/blob/master/slip-0132.md
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

import coincurve

from inspired.adapters.crypto import base58check
from inspired.adapters.crypto.chain_addresses import keccak
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind

LENGTH = 111  # characters
SIZE = 78  # bytes: version 4, depth 1, parent's fingerprint 4, child number 4, chain code 32, key 33
XPUB = bytes.fromhex("0488b21e")
OTHER_VERSIONS = {
    bytes.fromhex("049d7cb2"): "ypub",
    bytes.fromhex("04b24746"): "zpub",
    bytes.fromhex("043587cf"): "tpub",
    bytes.fromhex("044a5262"): "upub",
    bytes.fromhex("045f1cf6"): "vpub",
}
ACCOUNT_DEPTH = 3
HARDENED = 2**31
RECEIVING = 0
COINS = {Kind.EVM: "m/44'/60'/0'", Kind.TRON: "m/44'/195'/0'"}

PHRASE_LENGTHS = (12, 15, 18, 21, 24)
SECRET_KEYS = (
    re.compile(r"(0[xX])?[0-9a-fA-F]{64}"),  # a private key as wallets for these networks export it
    re.compile(r"[a-zA-Z]prv[0-9a-zA-Z]{20,}"),  # an extended private key: xprv, yprv, zprv, tprv
    re.compile(r"[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}"),  # Bitcoin's format for a private key (WIF)
)
BETWEEN = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The branch of an account on which money is received. `account` is its number, from 0.

    The key reveals all payments of the account, so it is personal data and absent from `repr`.
    """

    kind: Kind
    account: int
    _branch: "_Key" = field(repr=False)

    @classmethod
    def read(cls, kind: Kind, text: str) -> "AccountKey":
        """The account's xpub, as the wallet shows it; space around it is no part of it. Raises Invalid with a sentence
        that repeats nothing of the text."""
        text = text.strip()
        refuse_secret(text)
        payload = _payload(kind, text)
        depth, child = payload[4], int.from_bytes(payload[9:13], "big")
        if depth != ACCOUNT_DEPTH or child < HARDENED:
            raise Invalid(
                f"This extended public key is not the one of an account. We need the one of {COINS[kind]}, "
                "or of another account beside it."
            )
        try:
            account_key = _Key(coincurve.PublicKey(payload[45:]), payload[13:45])
        except ValueError:
            raise Invalid("This extended public key holds no valid key. Please copy it again.") from None
        return cls(kind, child - HARDENED, account_key.child(RECEIVING))

    def address(self, index: int) -> str:
        """The receiving address of this number: 20 bytes as lower-case hex with 0x. `index`: from 0, below 2**31, else
        ValueError."""
        if not 0 <= index < HARDENED:
            raise ValueError("an address's number is from 0 and below 2**31")
        point = self._branch.child(index).key.format(compressed=False)
        return "0x" + keccak(point[1:])[-20:].hex()

    def path(self, index: int) -> str:
        """As wallets write the derivation path of an address."""
        coin = COINS[self.kind].removesuffix("0'")
        return f"{coin}{self.account}'/{RECEIVING}/{index}"


def refuse_secret(text: str) -> None:
    """Raises Invalid, repeating nothing of the text."""
    if is_secret(text):
        raise Invalid(
            "This is a secret that can spend your money. We have not kept it, but it has left your wallet: "
            "please move the money to a new wallet, and enter only its extended public key (xpub)."
        )


def is_secret(text: str) -> bool:
    """True if this text, or a part of it, looks like something that can spend: a recovery phrase of 12, 15, 18, 21 or
    24 words, or a private key. Better a refusal too many: nothing is verified, and a mistyped secret is one too.

    A transaction's hash looks like a private key, so this is not for fields in which a hash is expected.
    """
    words = BETWEEN.split(text.strip())
    phrases = (words, *(BETWEEN.split(line.strip()) for line in text.splitlines()))
    return any(map(_is_phrase, phrases)) or any(one.fullmatch(word) for one in SECRET_KEYS for word in words)


def _is_phrase(words: list[str]) -> bool:
    return len(words) in PHRASE_LENGTHS and all(word.isalpha() and word == word.lower() for word in words)


def _payload(kind: Kind, text: str) -> bytes:
    """The 78 bytes of an xpub whose checksum and version are right. Raises Invalid."""
    if len(text) != LENGTH:
        raise Invalid(f"An extended public key begins with xpub and has {LENGTH} characters. Please copy all of it.")
    payload = base58check.decoded(text, SIZE)
    if payload is None:
        raise Invalid("The checksum of this key is wrong: a character was mistyped or changed. Please copy it again.")
    version = payload[:4]
    if name := OTHER_VERSIONS.get(version):
        raise Invalid(f"This is a {name}, a key for another network. We need the xpub of {COINS[kind]}.")
    if version != XPUB:
        raise Invalid(f"This key is of a kind that we do not know. We need the xpub of {COINS[kind]}.")
    return payload


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    """A public key with its chain code, from which public keys below it are made."""

    key: coincurve.PublicKey
    chain_code: bytes

    def child(self, number: int) -> "_Key":
        """BIP32's public derivation, CKDpub. ValueError for a number without a key, about one in 2**127."""
        data = self.key.format() + number.to_bytes(4, "big")
        made = hmac.digest(self.chain_code, data, hashlib.sha512)
        return _Key(self.key.add(made[:32]), made[32:])
