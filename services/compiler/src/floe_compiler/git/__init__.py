"""Compiling what is pushed to Git repositories."""
