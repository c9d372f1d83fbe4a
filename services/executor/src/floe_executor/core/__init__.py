"""What the executor decides. Pure: no I/O, no clock, no environment."""
