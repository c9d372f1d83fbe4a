"""Answers of the lineage service as people and drawing programs read them."""
