"""The sections of `floe.yaml`, one concern a module."""
