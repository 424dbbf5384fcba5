"""Attacks and defenses for two-player competitive reinforcement learning, under one protocol."""

__version__ = "0.1.0"
