"""Admin accounts, and API keys for programs."""
