"""`floe lineage`, one module for each group of its commands."""
