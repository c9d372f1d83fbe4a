"""What the compiler decides. Pure: no I/O, no clock, no environment."""
