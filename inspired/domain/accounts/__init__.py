"""Who may enter the admin area, and keys for programs."""
