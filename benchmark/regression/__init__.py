"""Guards of winning rates: what `bench check` plays, trains, compares and keeps."""
