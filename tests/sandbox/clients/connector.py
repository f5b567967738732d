"""Run in an environment of its own: the published `binance-pay-connector`, unchanged, against the address given.

Reads one JSON list of steps from standard input, each `[method, arguments]`, and prints the list of answers.
"""

import json
import sys

from binance.pay.merchant import Merchant  # type: ignore[import-not-found]  # not installed here

base_url, key, secret = sys.argv[1:4]
client = Merchant(key, secret, base_url=base_url)
answers = []
for method, arguments in json.load(sys.stdin):
    positional, named = arguments.get("args", []), arguments.get("kwargs", {})
    answers.append(getattr(client, method)(*positional, **named))
json.dump(answers, sys.stdout)
