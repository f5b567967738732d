"""Other people's servers: Binance Pay, Calendly, calendars by ICS, the owner's webhook."""
