"""Forwards the lineage stream to its backends, each at its own pace, and answers what is made of what."""
