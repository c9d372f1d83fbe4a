"""`serve.duckdb` of each product, kept up to what its tables show."""
