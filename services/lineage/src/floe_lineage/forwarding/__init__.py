"""Forwards the stream to backends: what they are, and the loop of each."""
