"""`floe semantic`, one module for each group of its commands."""
