"""The semantic service: dbt models, metrics and classifications rendered to Cube bundles."""
