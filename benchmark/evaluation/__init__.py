"""Playing frozen policies against each other, and what the counts say."""
