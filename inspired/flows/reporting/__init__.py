"""Counting daily metrics, making and sending reports, the owner's start page."""
