"""From what Cube tells of its queries to OpenLineage events."""
