"""Base58Check: how TRON writes addresses and Bitcoin's wallets write keys.

The last four bytes are a checksum, so that a mistyped character is noticed. https://en.bitcoin.it/wiki/Base58Check_encoding
"""

import hashlib

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CHECKSUM = 4


def encoded(payload: bytes) -> str:
    """The text for these bytes, which get a checksum."""
    whole = payload + _checksum(payload)
    number, text = int.from_bytes(whole, "big"), ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    zeros = len(whole) - len(whole.lstrip(b"\0"))
    return ALPHABET[0] * zeros + text


def decoded(text: str, size: int) -> bytes | None:
    """The `size` bytes this text stands for, without their checksum. None if the checksum is wrong, if a character is
    none of Base58, or if it is another number of bytes."""
    number = 0
    for character in text:
        digit = ALPHABET.find(character)
        if digit < 0:
            return None
        number = number * len(ALPHABET) + digit
    if number.bit_length() > (size + CHECKSUM) * 8:
        return None
    payload = number.to_bytes(size + CHECKSUM, "big")[:size]
    # Written again it must be the same text: that compares the checksum, and the number of leading zeros.
    return payload if encoded(payload) == text else None


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:CHECKSUM]
