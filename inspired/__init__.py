"""Inspired Analyst sells one-to-one calls for USDT. The map of the code is in docs/architecture.md."""

from zoneinfo import reset_tzpath

# Time zones come from the pinned package alone: an operating system's own data may be years behind the laws.
reset_tzpath(())
