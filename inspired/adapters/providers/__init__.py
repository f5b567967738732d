"""Outside services: Binance Pay, Calendly, ICS calendar feeds, the owner's webhook."""
