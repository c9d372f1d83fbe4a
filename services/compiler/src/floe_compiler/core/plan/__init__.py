"""The plan: what an artifact changes against another one. Builder -> `floe_contracts.plans.Plan` -> renderers."""
