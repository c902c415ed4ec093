"""All that decides a run's bits."""
