"""From the warehouse to Iceberg."""
