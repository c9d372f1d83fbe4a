"""What can go wrong while a product is followed."""

from __future__ import annotations

from floe_contracts.errors import Permanent


class SubmissionGivenUp(Permanent):
    """The compiler could not handle the submission, however often it tried; it is among the dead letters."""

    code = "FLOE-CLI-002"
    title = "A submission became a dead letter"


class RunGivenUp(Permanent):
    """The executor could not take the run request, however often it tried; it is among the dead letters."""

    code = "FLOE-CLI-003"
    title = "A run request became a dead letter"


class ComputeUnresolved(Permanent):
    """A logical name of floe.yaml, or what the platform has it stand for, does not lead to a compute."""

    code = "FLOE-CLI-004"
    title = "A product's compute is not in its platform"
