"""Data contracts of the Open Data Contract Standard: reading, checking against the dbt project, comparing versions."""
