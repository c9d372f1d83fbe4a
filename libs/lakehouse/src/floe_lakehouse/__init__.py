"""Everything in floe that knows Iceberg: catalogs, typed landing, snapshots. Importing this package imports nothing."""
