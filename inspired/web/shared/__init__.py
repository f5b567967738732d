"""Used by all pages: login, errors, forms, headers, filters."""
