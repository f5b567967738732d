"""What every other folder of the domain uses: errors, money, periods, spans of time, time zones, network addresses."""
