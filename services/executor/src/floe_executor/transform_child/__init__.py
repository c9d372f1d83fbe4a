"""The program that runs one Python transform: `python -m floe_executor.transform_child`, in a process of its own."""
