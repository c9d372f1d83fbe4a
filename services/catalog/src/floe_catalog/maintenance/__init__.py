"""Keeping tables small by itself: when, and the work, which a process of its own does."""
