"""Which rules keep their updates inside their bound, and how the bounds show."""
