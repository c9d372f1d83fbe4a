"""Keeping tables small: compaction, manifests, expiry, orphans. Each action reports what it did."""
