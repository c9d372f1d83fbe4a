"""What backends' answers mean, and how events are handed over."""
