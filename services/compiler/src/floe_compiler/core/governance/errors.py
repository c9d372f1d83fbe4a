"""What governance refuses: the kinds of findings, one code each, and what becomes of them."""

from __future__ import annotations

from floe_contracts.errors import DocumentInvalid, Permanent


class GovernanceRefused(DocumentInvalid):
    """The project does not follow rules whose level is strict; `problems` holds the findings."""

    code = "FLOE-GOV-001"
    title = "A project does not follow the rules of governance"


class FindingsLeftOut(Permanent):
    """There are more findings than an event has room for; the report has all of them."""

    code = "FLOE-GOV-002"
    title = "More findings of governance than are shown"


class OverrideForbidden(Permanent):
    """An override of a rule of which a document above allows no exceptions."""

    code = "FLOE-GOV-003"
    title = "An override is forbidden by the platform"


class NameAgainstConvention(Permanent):
    """A model's name does not follow a naming convention."""

    code = "FLOE-GOV-201"
    title = "The name of a model does not follow the convention"


class CoverageTooLow(Permanent):
    """Too few of the columns that a model documents have a test."""

    code = "FLOE-GOV-210"
    title = "Too few columns of a model are tested"


class CoverageUnmeasured(Permanent):
    """A model documents no column, so that nobody can say how many of them are tested."""

    code = "FLOE-GOV-211"
    title = "The test coverage of a model cannot be measured"


class ModelUndescribed(Permanent):
    """A model has no description."""

    code = "FLOE-GOV-220"
    title = "A model is not described"


class ColumnUndescribed(Permanent):
    """A column has no description."""

    code = "FLOE-GOV-221"
    title = "A column is not described"


class DescriptionPlaceholder(Permanent):
    """A description says TBD, TODO, N/A or the like."""

    code = "FLOE-GOV-222"
    title = "A description is a placeholder"


class ColumnsUndocumented(Permanent):
    """A model documents no column although its columns have to be described."""

    code = "FLOE-GOV-223"
    title = "A model documents no columns"


class RequiredTagsMissing(Permanent):
    """A model lacks tags that it must have."""

    code = "FLOE-GOV-400"
    title = "A model lacks required tags"


class RequiredMetaMissing(Permanent):
    """A model lacks a field of meta that it must have."""

    code = "FLOE-GOV-401"
    title = "A model lacks required meta"


class RequiredTestsMissing(Permanent):
    """A model lacks tests that it must have."""

    code = "FLOE-GOV-402"
    title = "A model lacks required tests"


class ColumnUnclassified(Permanent):
    """A column does not say what sort of data it holds."""

    code = "FLOE-GOV-500"
    title = "A column is not classified"


class PolicyMissing(Permanent):
    """Columns of a classification are served in an environment that has no policy for it."""

    code = "FLOE-GOV-501"
    title = "A classification has no policy in an environment"


class OverrideExpired(Permanent):
    """An override has expired and no longer holds."""

    code = "FLOE-GOV-600"
    title = "An override has expired"


class OverrideUnknown(Permanent):
    """An override speaks of a rule that there is not."""

    code = "FLOE-GOV-601"
    title = "An override names no rule"


class OverrideUnused(Permanent):
    """An override makes no difference: nothing that it means breaks its rule."""

    code = "FLOE-GOV-602"
    title = "An override is not needed"
