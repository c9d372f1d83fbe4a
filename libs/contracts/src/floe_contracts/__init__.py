"""What crosses a boundary in floe: documents, artifacts, events, subjects, errors, lineage."""
