"""Forwards the lineage stream to its backends: in order, without loss, each backend at its own pace."""
