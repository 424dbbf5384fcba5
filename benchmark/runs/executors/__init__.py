"""Who does the jobs: this process by default."""
