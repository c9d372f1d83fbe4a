"""The pure part of the service: rendering, what is offered and served, and the lineage of queries."""
