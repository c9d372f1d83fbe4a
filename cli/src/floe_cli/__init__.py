"""floe, the command. Importing it costs click; everything else is imported by the command that needs it."""
