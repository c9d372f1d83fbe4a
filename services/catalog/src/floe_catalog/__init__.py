"""Keeps the namespaces of the Iceberg catalog, and tells of every table that a run has landed."""
