"""The rendering of Cube bundles: pure functions and frozen data."""
