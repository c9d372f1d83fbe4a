"""What the executor reaches outside of itself, one system a module."""
