"""A game seen from one seat, the other seat being played by a mixture of frozen policies."""
