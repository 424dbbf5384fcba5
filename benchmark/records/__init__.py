"""What happened, as JSON that is validated when read and written atomically."""
