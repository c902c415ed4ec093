"""Which implementation details matter in policy-gradient RL, with error bars."""
