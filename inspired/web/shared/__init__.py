"""What every page needs: login, errors, forms, headers, filters."""
