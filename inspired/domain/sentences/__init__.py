"""Sentences for people, made from typed facts; one file per audience. No rule reads them."""
