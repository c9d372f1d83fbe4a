"""The executor: run requests in, Dagster runs of dbt and landed Iceberg tables out."""
