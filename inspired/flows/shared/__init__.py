"""What several journeys need: idempotency keys, paging, mail addresses, mails to the owner."""
