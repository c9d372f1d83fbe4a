"""What every floe service starts from: settings, bus, delivery, telemetry, health, blobs, topology, test fixtures."""
