"""The owner's settings, the assurances to customers, and the newsletter."""
