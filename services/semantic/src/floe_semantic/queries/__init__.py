"""Queries of Cube in, their lineage out."""
