"""A lineage backend for floe: a folder with a file for every event."""
