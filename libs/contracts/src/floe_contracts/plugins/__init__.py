"""Plugins: what somebody else may add to floe, found through entry points. docs/how-to/write-a-plugin.md tells how."""
