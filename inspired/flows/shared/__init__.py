"""Used by several flows: idempotency keys, paging, mail addresses, mails to the owner."""
