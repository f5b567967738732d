"""Watching the site: alerts, health, audit, rehearsals, the doctor."""
