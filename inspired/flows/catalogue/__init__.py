"""Calendars that the offer depends on: the owner's own, and Calendly's event types."""
