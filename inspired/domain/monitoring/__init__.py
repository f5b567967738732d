"""Monitoring of the whole site: alerts, run-books, health, refusals, rehearsals."""
