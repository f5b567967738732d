"""This process: incoming requests, deadlines, logs, version, child processes."""
