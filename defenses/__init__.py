"""Defenses: methods that harden a victim. One method, one file."""
