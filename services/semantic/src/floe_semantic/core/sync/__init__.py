"""Which bundle Cube is to serve, and which it serves: a state and a cause make the next state."""
