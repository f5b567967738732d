"""What a password costs whoever guesses it. Every other test hashes with less (`tests/sharing.py`)."""

from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from tests.sharing import AS_SOLD


def test_a_password_is_hashed_as_dearly_as_the_standard_recommends():
    assert extract_parameters(AS_SOLD.hasher.hash("a password")) == RFC_9106_LOW_MEMORY


def test_to_verify_where_there_is_no_account_takes_as_long():
    assert extract_parameters(AS_SOLD.nobodys) == RFC_9106_LOW_MEMORY
