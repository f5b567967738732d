"""Sentences for people, made from typed facts: a file for each audience. No rule reads one."""
