"""What the owner chooses, what customers are assured of, and the newsletter."""
