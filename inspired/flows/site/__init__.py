"""The owner's choices, the newsletter, forgetting personal data."""
