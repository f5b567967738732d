"""Bookings, from the first page to the last refund: states, payments, refunds, outbox tasks and status texts."""
