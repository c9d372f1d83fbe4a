"""One run after another: what waits, what works, how each ends."""
