"""This process: requests coming in, deadlines, logs, version, child processes."""
