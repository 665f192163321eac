"""Which ticket wins, and what the numbers say."""
