"""Monitoring flows: alerts, health, audit, rehearsals, the doctor."""
