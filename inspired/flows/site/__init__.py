"""The owner's settings, the newsletter, erasing personal data."""
