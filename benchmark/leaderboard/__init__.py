"""Scores and tables, made from records and from nothing else."""
