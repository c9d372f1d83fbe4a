"""What the MCP server knows by itself: members that a caller sees, queries that name them, answers that fit."""
