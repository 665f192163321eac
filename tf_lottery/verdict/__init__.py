"""Who wins, and what the numbers say."""
