"""Lineage over HTTP: OpenLineage events come in, as any producer sends them, and go onto the stream."""
