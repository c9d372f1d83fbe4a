"""`serve.duckdb`: the landed tables of a product as a DuckDB file of views, for readers such as Cube."""
