"""Cubes, their members and joins, and the views over them, before they are written down."""
