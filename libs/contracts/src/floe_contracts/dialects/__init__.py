"""The older forms of both documents, and how they become the one that floe works with (docs/reference/dialects.md)."""
