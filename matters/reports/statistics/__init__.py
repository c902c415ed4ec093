"""Arrays in, numbers out: intervals, tests, metrics. Knows no study and no page."""
