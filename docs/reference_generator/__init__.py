"""What `generate_reference.py` is made of."""
