"""Making it happen: loop, evaluation, checkpoints, workers, executors, parity, speed, command line."""
