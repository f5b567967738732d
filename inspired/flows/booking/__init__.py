"""The journey of a booking: hold, pay, be confirmed, move, cancel, refund; and the jobs that keep it true."""
