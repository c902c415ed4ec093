"""What happened: records, their store, their provenance. Nothing here knows how a result was computed."""
