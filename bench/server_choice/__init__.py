"""Which WSGI server: throughput, drain, slow clients, orphans. `python -m bench.server_choice` prints the table."""
