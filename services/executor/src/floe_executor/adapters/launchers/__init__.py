"""Where an attempt works: in this process, or in a Kubernetes Job."""
