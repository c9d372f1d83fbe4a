"""What the service answers: looking at tables, reading them, and changing them on request."""
