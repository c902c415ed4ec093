"""How many seeds a verdict needs."""
