"""What can go wrong with the site as a whole: alerts, run-books, health, refusals, rehearsals."""
