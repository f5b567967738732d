"""Addresses as people write them: EIP-55 on Ethereum and BNB Smart Chain, base58check on TRON.

Inside they have one form on every network: `0x` and the 20 bytes as 40 small hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import re

import sha3

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TRON = b"\x41"


def keccak(data: bytes) -> bytes:
    """keccak-256, which is not the SHA3-256 of hashlib."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def parse(text: str, tron: bool) -> str:
    """The inner form of an address; ValueError is a sentence for the person who wrote it.

    An address of TRON may also be given as its JSON-RPC shows it, by 20 bytes. An Ethereum one in small letters only,
    or in capitals only, has no checksum to be wrong.
    """
    if re.fullmatch(r"T[1-9A-HJ-NP-Za-km-z]{33}", text):
        if not tron:
            raise ValueError(f"{text} is an address of TRON; here one that begins with 0x is needed.")
        return "0x" + _from_base58(text).hex()
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        wanted = "T and 33 letters and digits, or 0x and 40 digits" if tron else "0x and 40 hexadecimal digits"
        raise ValueError(f"An address is {wanted}.")
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and checksummed(text.lower()) != text:
        raise ValueError(f"{text} has a wrong checksum: one of its letters is not as it was.")
    return text.lower()


def shown(address: str, tron: bool) -> str:
    """As the wallets of the network write it."""
    return _to_base58(bytes.fromhex(address[2:])) if tron else checksummed(address)


def checksummed(address: str) -> str:
    """EIP-55: a letter is a capital where the hash of the address has a digit from 8."""
    digits = address[2:]
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(one.upper() if mark >= "8" else one for one, mark in zip(digits, marks, strict=False))


def _to_base58(account: bytes) -> str:
    payload = _TRON + account
    number = int.from_bytes(payload + _check(payload))
    text = ""
    while number:
        number, rest = divmod(number, 58)
        text = _ALPHABET[rest] + text
    return text


def _from_base58(text: str) -> bytes:
    number = 0
    for letter in text:
        number = number * 58 + _ALPHABET.index(letter)
    whole = number.to_bytes(26)[-25:]
    if number >= 1 << 200 or whole[:1] != _TRON or _check(whole[:21]) != whole[21:]:
        raise ValueError(f"{text} has a wrong checksum: one of its letters is not as it was.")
    return whole[1:21]


def _check(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
