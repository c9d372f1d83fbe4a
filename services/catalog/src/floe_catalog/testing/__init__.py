"""What tests of the catalog service, and of what asks it, need."""
