"""What the executor keeps on the bus."""
