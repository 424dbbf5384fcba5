"""From a specification to jobs, and from jobs to records."""
