"""Two-seat games, simulated as batches of matches; nothing here knows a policy."""
