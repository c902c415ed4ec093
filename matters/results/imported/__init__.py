"""Results of others: read from their files, kept beside the store, told as tables."""
