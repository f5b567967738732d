"""Logging in, accounts, keys for programs."""
