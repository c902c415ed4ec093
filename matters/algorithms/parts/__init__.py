"""What several algorithms share; no algorithm imports another."""
