"""Making former snapshots current again, of several tables as one piece of work."""
