"""Mails and calendar files: rendered from templates, sent by SMTP."""
