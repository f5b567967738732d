"""Booking flows: hold, pay, confirm, move, cancel, refund; and the background jobs of bookings."""
