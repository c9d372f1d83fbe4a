"""The MCP server: what a caller of Cube may see and ask, for programs that speak the Model Context Protocol."""
