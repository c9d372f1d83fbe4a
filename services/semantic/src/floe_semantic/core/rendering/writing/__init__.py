"""Cubes and views as the text that Cube reads."""
