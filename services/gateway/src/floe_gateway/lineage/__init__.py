"""Lineage over HTTP: OpenLineage events of any producer come in, and events and graph are told to readers."""
