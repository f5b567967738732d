"""Login, accounts, API keys."""
