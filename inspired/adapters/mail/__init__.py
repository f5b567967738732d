"""Mails and calendar files: written from templates, sent by SMTP."""
