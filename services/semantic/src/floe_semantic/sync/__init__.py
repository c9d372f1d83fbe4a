"""Cube's door: it fetches what it is to serve, and says whether it does."""
