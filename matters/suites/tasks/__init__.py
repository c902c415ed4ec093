"""The environments: by id, the probes whose answers are known, and the lectures' examples."""
