"""Methods handed in by anybody: a folder with a manifest, checked, run, and verified."""
