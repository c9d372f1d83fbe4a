"""Snapshots of a table: looking back, naming one, going back to one."""
