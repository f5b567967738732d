"""What we add to a create: our answer's time less the sandbox's own time for the call that we make within it."""

from uuid import uuid4

from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.product import Product, started
from bench.run import Run

WARM_UP = 20  # so that every thread that serves has met the database
CREATES = 40  # of each kind in each round


def measure(run: Run) -> Findings:
    found, rows = Findings(), []
    with started() as product:
        for _ in range(run.some(WARM_UP)):
            product.book()
        rounds = [_round(product, run.some(CREATES)) for _ in range(run.rounds)]
    for goal, kind in (("create", "without a key"), ("create-keyed", "with an Idempotency-Key")):
        found.add(goal, [percentile(added[goal], 0.5) for added in rounds])
        everything = [one for added in rounds for one in added[goal]]
        rows.append(
            [kind, str(len(everything)), *(number(percentile(everything, share)) for share in (0.5, 0.95, 0.99))]
        )
    found.details = table(["", "creates", "p50 ms", "p95 ms", "p99 ms"], rows)
    return found


def _round(product: Product, count: int) -> dict[str, list[float]]:
    """One after the other on one connection, with and without a key in turn."""
    took: dict[str, tuple[str, float]] = {}
    for number_ in range(2 * count):
        key = str(uuid4()) if number_ % 2 else None
        answer, ms = product.book(key)
        took[answer["merchantTradeNo"]] = ("create-keyed" if key else "create", ms)
    added: dict[str, list[float]] = {"create": [], "create-keyed": []}
    for call in product.dev.control("calls?call=create"):
        if call["merchantTradeNo"] in took:
            goal, ms = took[call["merchantTradeNo"]]
            added[goal].append(ms - call["ms"])
    return added
