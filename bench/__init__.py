"""The measurements of docs/benchmarks.md. `python -m bench` runs them all, `python -m bench poll create` some.

Read `goals.py` first: what was promised. Each part is a module with `measure(run)`, which answers with findings.
"""
