"""What is known of datasets, jobs and columns now: how events add to it, and what can be asked of it."""
