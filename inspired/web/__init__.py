"""Thin blueprints: a view is form, call, answer."""
