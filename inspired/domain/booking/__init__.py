"""One booking from its first page to its last refund: states, rules, payments, what it owes, what it tells."""
