"""Products to begin with, as files."""
