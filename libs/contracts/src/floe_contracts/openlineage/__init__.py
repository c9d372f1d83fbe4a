"""OpenLineage 2.0.2 events and facets, as plain JSON values that are valid against the official schemas."""
