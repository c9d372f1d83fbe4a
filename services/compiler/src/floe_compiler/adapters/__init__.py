"""What the compiler reaches outside of itself, one system a module."""
