"""From an artifact and its node graph to the files of a Cube bundle."""
