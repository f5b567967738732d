"""web3.py, without what its import does to everybody else in the process.

py_ecc, which it brings along, raises Python's recursion limit to 100,000. Under that limit JSON that is nested too
deeply ends the process, where it would raise RecursionError (findings/web3-recursion-limit.sh).
"""

import sys

_LIMIT = sys.getrecursionlimit()

from web3 import HTTPProvider, Web3  # noqa: E402
from web3.exceptions import ExtraDataLengthError, TransactionNotFound, Web3RPCError  # noqa: E402
from web3.middleware import ExtraDataToPOAMiddleware  # noqa: E402

sys.setrecursionlimit(_LIMIT)

__all__ = [
    "ExtraDataLengthError",
    "ExtraDataToPOAMiddleware",
    "HTTPProvider",
    "TransactionNotFound",
    "Web3",
    "Web3RPCError",
]
