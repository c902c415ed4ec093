"""One update beside Stable-Baselines3's, in lockstep, quantity by quantity."""
