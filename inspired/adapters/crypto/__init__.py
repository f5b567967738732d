"""Encryption of personal data."""
