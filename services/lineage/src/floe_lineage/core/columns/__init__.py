"""Which columns a column is made of, read from SQL."""
