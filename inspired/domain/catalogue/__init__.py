"""What can be booked: meeting types, the hours they are offered in, and what is refunded by which rule."""
