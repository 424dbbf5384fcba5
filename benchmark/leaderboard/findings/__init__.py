"""docs/findings.md: what the committed records say, every number of it rendered from them."""
