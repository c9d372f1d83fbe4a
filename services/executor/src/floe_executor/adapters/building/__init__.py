"""Building: dbt and Python in children."""
