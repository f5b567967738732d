"""Counting days, making and sending reports, the owner's first page."""
