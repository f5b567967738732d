import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.adapters.crypto.vault import NONCE, CannotDecrypt, Vault

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
INDEX, OTHER_INDEX = (base64.b64encode(letter * 32).decode() for letter in (b"i", b"j"))


def a_vault(keys: str = f"v1:{OLD}", index: str = INDEX) -> Vault:
    return Vault(keys, index)


def test_what_was_sealed_is_opened_again():
    vault = a_vault()
    key = vault.new_key("b1")

    sealed = vault.seal(key, "b1", "email", "zoë@example.com")

    assert vault.open(key, "b1", "email", sealed) == "zoë@example.com"
    assert "zoë".encode() not in sealed


def test_what_was_sealed_and_indexed_on_an_earlier_day_is_opened_and_found_on_every_later_one():
    key = base64.b64decode("djE64jZ4ISfQm/GjDeo8I9eI52n0ExEcMO9C5+DO/01bQRdQTBwaXMYWJPjv3S9Q/RNwIENv/GFxzVirzbVZ")
    sealed = base64.b64decode("2q6mMRv0TJByB5P6Xx6qMEBiRlHrQXZZrfGSrDiacNWS2+FFOg19A2/T5g0=")

    assert a_vault().open(key, "b1", "email", sealed) == "zoë@example.com"
    assert a_vault().blind_index("email", " Straße@Example.com") == "07f37a561ebf9aa91204948b18d00ad6"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_unchanged(text):
    vault = a_vault()
    key = vault.new_key("b1")

    assert vault.open(key, "b1", "name", vault.seal(key, "b1", "name", text)) == text


def test_a_field_that_was_never_given_is_an_empty_text_even_without_a_key():
    assert a_vault().open(b"", "b1", "name", b"") == ""


@pytest.mark.parametrize(("owner", "field"), [("b2", "email"), ("b1", "name"), ("b1/email", ""), ("", "b1/email")])
def test_a_ciphertext_opens_only_for_its_own_booking_and_field(owner, field):
    vault = a_vault()
    key = vault.new_key("b1")
    sealed = vault.seal(key, "b1", "email", "ada@example.com")

    with pytest.raises(CannotDecrypt):
        vault.open(key, owner, field, sealed)


def test_another_bookings_key_opens_nothing():
    vault = a_vault()
    sealed = vault.seal(vault.new_key("b1"), "b1", "email", "ada@example.com")

    with pytest.raises(CannotDecrypt):
        vault.open(vault.new_key("b1"), "b1", "email", sealed)
    with pytest.raises(CannotDecrypt):
        vault.open(vault.new_key("b2"), "b1", "email", sealed)


@pytest.mark.parametrize("between", [",", ", "])
def test_after_a_key_was_added_in_front_old_bookings_open_and_new_ones_use_it(between):
    before = a_vault(f"v1:{OLD}")
    old_key = before.new_key("b1")
    sealed = before.seal(old_key, "b1", "email", "ada@example.com")

    after = a_vault(f"v2:{NEW}{between}v1:{OLD}")
    new_key = after.new_key("b2")

    assert after.open(old_key, "b1", "email", sealed) == "ada@example.com"
    assert old_key.startswith(b"v1:")
    assert new_key.startswith(b"v2:")
    with pytest.raises(CannotDecrypt, match=r"^the key that wrapped this one is not configured$"):
        before.seal(new_key, "b2", "email", "x")


def test_a_key_without_a_name_is_v1():
    unnamed = a_vault(OLD)
    key = unnamed.new_key("b1")

    assert key.startswith(b"v1:")
    assert a_vault(f"v1:{OLD}").open(key, "b1", "name", unnamed.seal(key, "b1", "name", "Ada")) == "Ada"


def test_the_right_name_with_the_wrong_key_opens_nothing():
    key = a_vault(f"v1:{OLD}").new_key("b1")

    with pytest.raises(CannotDecrypt, match=r"^altered, or not from here$"):
        a_vault(f"v1:{NEW}").seal(key, "b1", "name", "Ada")


@pytest.mark.parametrize("wrapped", [b"", b"v1", b"v1:", b"v1:short", b"\xff\xfe:x", b"v9:" + bytes(60)])
def test_what_is_no_wrapped_key_opens_nothing(wrapped):
    with pytest.raises(CannotDecrypt):
        a_vault().seal(wrapped, "b1", "name", "Ada")


def test_one_altered_bit_anywhere_is_noticed():
    vault = a_vault()
    key = vault.new_key("b1")
    sealed = vault.seal(key, "b1", "email", "a@b.co")

    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(CannotDecrypt):
            vault.open(key, "b1", "email", bytes(altered))
    for length in range(1, len(sealed)):
        with pytest.raises(CannotDecrypt):
            vault.open(key, "b1", "email", sealed[:length])
    for place in range(3, len(key)):
        altered = bytearray(key)
        altered[place] ^= 1
        with pytest.raises(CannotDecrypt):
            vault.open(bytes(altered), "b1", "email", sealed)


def test_a_nonce_is_never_used_twice():
    vault = a_vault()
    key = vault.new_key("b1")

    nonces = {vault.seal(key, "b1", "email", "ada@example.com")[:NONCE] for _ in range(2000)}
    wrapping = {vault.new_key("b1")[3 : 3 + NONCE] for _ in range(2000)}

    assert (len(nonces), len(wrapping)) == (2000, 2000)


@pytest.mark.parametrize(
    "written",
    ["Ada@Example.com", " ada@example.com\n", "\uff21da@example.com", "ADA@EXAMPLE.COM"],
)
def test_addresses_of_the_same_person_have_one_blind_index(written):
    vault = a_vault()

    assert vault.blind_index("email", written) == vault.blind_index("email", "ada@example.com")


def test_a_blind_index_tells_nothing_and_differs_by_value_kind_and_key():
    index = a_vault().blind_index("email", "ada@example.com")

    others = {
        a_vault().blind_index("email", "bob@example.com"),
        a_vault().blind_index("newsletter", "ada@example.com"),
        a_vault(index=OTHER_INDEX).blind_index("email", "ada@example.com"),
        a_vault(index=OLD).blind_index("email", "ada@example.com"),
    }
    assert len(index) == 32
    assert set(index) <= set("0123456789abcdef")
    assert len(others | {index}) == 5
    assert a_vault(f"v2:{NEW}").blind_index("email", "ada@example.com") == index, "rotation keeps the index"


def test_a_fingerprint_is_of_the_very_text():
    vault = a_vault()

    assert vault.fingerprint("body", "x") == vault.fingerprint("body", "x")
    assert vault.fingerprint("body", "X") != vault.fingerprint("body", "x")
