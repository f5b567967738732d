"""The domain: pure rules about money, bookings and time. Nothing here does input or output."""
