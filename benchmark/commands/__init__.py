"""The commands of `bench`: parse, call, print. What they do is elsewhere."""
