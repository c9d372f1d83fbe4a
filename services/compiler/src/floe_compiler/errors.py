"""What the compiler refuses, beside the problems of the documents themselves."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient


class SpecMissing(Permanent):
    """The submitted bundle has no floe.yaml at its top."""

    code = "FLOE-COMP-001"
    title = "A submission holds no floe.yaml"


class ProductMismatch(Permanent):
    """The submission was announced for another product than its floe.yaml names."""

    code = "FLOE-COMP-002"
    title = "A submission speaks of another product than its floe.yaml"


class ProfileUnknown(Permanent):
    """A name of a profile that platform.yaml does not define."""

    code = "FLOE-COMP-003"
    title = "A profile name is not defined"


class PlatformFixed(Permanent):
    """A submission brought a platform.yaml where the platform's owner has set one."""

    code = "FLOE-COMP-004"
    title = "A submission may not bring its own platform.yaml"


class ModelUnknown(Permanent):
    """floe.yaml speaks of a model that the dbt project does not have."""

    code = "FLOE-COMP-006"
    title = "A name in floe.yaml is no model of the dbt project"


class DependencyUnmet(Permanent):
    """floe.yaml wants a model built from another one, and the dbt project does not read it."""

    code = "FLOE-COMP-007"
    title = "A declared dependency is not one of the dbt project"


class PortColumnUnknown(Permanent):
    """An output port promises a column that its model does not document."""

    code = "FLOE-COMP-008"
    title = "An output port promises an unknown column"


class PlatformMismatch(Permanent):
    """floe.yaml names another platform than the one that it is compiled for."""

    code = "FLOE-COMP-020"
    title = "A product is written for another platform"


class NotApproved(Permanent):
    """The platform has a list of what products may use, and this is not on it."""

    code = "FLOE-COMP-021"
    title = "The platform does not approve this"


class TransformUnfit(Permanent):
    """A transform needs files that the product does not have."""

    code = "FLOE-COMP-022"
    title = "A transform lacks what it needs"


class RowOwnerUnknown(Permanent):
    """No served model has the column that names the owner of a row."""

    code = "FLOE-COMP-005"
    title = "The row owner's column is in no served model"


class PlanBaseUnknown(Permanent):
    """A dry run is to be compared with an artifact that is not there, or not one of the product."""

    code = "FLOE-COMP-009"
    title = "The artifact to plan against is not known"


class ArtifactTooLarge(Permanent):
    """What a product says of itself does not fit into the event that announces its artifact."""

    code = "FLOE-COMP-010"
    title = "An artifact is too large to be announced"


class PlatformUnreadable(Transient):
    """The platform.yaml of the installation is not where the settings say; it may be in the middle of an update."""

    code = "FLOE-COMP-011"
    title = "The installation's platform.yaml cannot be read"


class ProblemsLeftOut(Permanent):
    """A rejection has more problems than an event has room for."""

    code = "FLOE-COMP-012"
    title = "A rejection does not name all of its problems"
