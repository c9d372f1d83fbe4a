"""For all tests: examples that hypothesis finds are the same in every run, and a busy machine fails none of them."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "floe",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("floe")
