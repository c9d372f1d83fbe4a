"""Who sees which rows and members."""
