"""Governance: what the rules of platform and product find in the project as dbt really sees it."""
