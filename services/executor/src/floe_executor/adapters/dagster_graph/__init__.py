"""The project as Dagster assets, and Dagster's instance."""
