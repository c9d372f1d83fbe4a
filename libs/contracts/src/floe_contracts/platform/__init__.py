"""The sections of `platform.yaml`, one concern a module."""
