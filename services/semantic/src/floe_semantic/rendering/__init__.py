"""Artifacts in, bundles and events out."""
