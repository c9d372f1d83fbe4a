"""What `floe catalog` does: asking the catalog service, and showing its answers."""
