"""What people ask of the service over the bus."""
