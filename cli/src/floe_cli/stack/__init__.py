"""Where the bus and the services are: a configured one, a running `floe up`, or the embedded stack."""
