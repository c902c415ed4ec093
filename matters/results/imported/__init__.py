"""Results of others: read from their files, kept beside our runs, and turned into the tables of a report."""
