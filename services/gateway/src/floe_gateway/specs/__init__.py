"""Specs over HTTP: an archive comes in, `spec.submitted` goes out."""
