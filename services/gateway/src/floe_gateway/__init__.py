"""The only door from outside: specs over HTTP, and the dead letters of the bus's advisories."""
