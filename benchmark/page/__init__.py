"""The leaderboard as a static site: pages from records and the board's own tables, no numbers."""
