"""What starts runs without anybody asking: new artifacts, the clock, and other products."""
