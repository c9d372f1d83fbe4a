"""What starts a run: which artifact is live where, the ticks of a clock, what happened to other products."""
