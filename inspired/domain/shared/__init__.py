"""Used by every folder of the domain: errors, money, periods, time spans, time zones, IP addresses."""
