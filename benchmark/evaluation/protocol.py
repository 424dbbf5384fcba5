"""Which protocol counts are made by; docs and tables speak of its number."""

PROTOCOL = 1
"""Part of every evaluation's episode list and of every cell: counts of two never mix."""
