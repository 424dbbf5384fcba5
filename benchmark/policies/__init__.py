"""Frozen policies and their artifacts; nothing here knows a game."""
