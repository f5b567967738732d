"""The business in figures, and the reports made from them."""
