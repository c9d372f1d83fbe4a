"""Keeps what is known of datasets and jobs up to the stream, answers questions, and tells what it finds out."""
