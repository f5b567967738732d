"""`make mutants`: small changes to what moves money, signs and encrypts, one at a time; each should make a test fail.

Prints the score of each module and every change that no test noticed. Under GOAL percent it ends with an error.
"""

import json
import subprocess
import sys
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

GOAL = 90
CHANGES = (
    "inspired.domain.*",
    "inspired.adapters.crypto.vault.*",
    "inspired.adapters.providers.calendly.x_verified__*",
    # Of the client of Binance Pay what signs, verifies, and reads and writes amounts.
    "inspired.adapters.providers.binance.x_sign__*",
    "inspired.adapters.providers.binance.x_read_money__*",
    "inspired.adapters.providers.binance.x_read_json__*",
    "inspired.adapters.providers.binance.x__json_number__*",
    "inspired.adapters.providers.binance.*verify_webhook__*",
    "inspired.adapters.providers.binance_certificates.*",
    "inspired.adapters.providers.binance.*certificates__*",
)
NOTICED = (1, 3, 36, -24, 24, 152, 255)  # a test failed, or did not end


def main() -> int:
    ran = subprocess.run([sys.executable, "-m", "mutmut", "run", *CHANGES], check=False)
    if ran.returncode:
        return ran.returncode
    outcomes: dict[str, dict[str, int | None]] = defaultdict(dict)
    for meta in Path("mutants").rglob("*.meta"):
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            if any(fnmatch(name, wanted) for wanted in CHANGES):
                outcomes[name.rpartition(".")[0]][name] = code
    unnoticed = sorted(name for module in outcomes.values() for name, code in module.items() if code not in NOTICED)
    print("\nNo test noticed (`python -m mutmut show NAME`):", *unnoticed, sep="\n  ")
    for module, changes in sorted(outcomes.items()):
        print(f"{_score(changes):6.1f} %  {len(changes):5} changes  {module}")
    whole = {name: code for module in outcomes.values() for name, code in module.items()}
    print(f"{_score(whole):6.1f} %  {len(whole):5} changes  in all")
    return 0 if whole and _score(whole) >= GOAL else 1


def _score(changes: dict[str, int | None]) -> float:
    return 100 * sum(code in NOTICED for code in changes.values()) / len(changes)


if __name__ == "__main__":
    sys.exit(main())
