"""SQL of the warehouses and of the project: names, types and expressions."""
