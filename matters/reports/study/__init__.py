"""A snapshot as a statistician sees it: numbers only."""
