"""Following a product from its spec to its end: what has happened so far, and how that is shown."""
