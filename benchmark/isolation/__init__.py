"""Commands in containers that hold them: engine, limits, verdicts. Knows no game and no method."""
