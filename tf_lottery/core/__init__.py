"""NumPy only: masks, criteria, plans, tickets and their files."""
