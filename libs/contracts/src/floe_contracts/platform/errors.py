"""What can be wrong between the documents of a platform."""

from __future__ import annotations

from floe_contracts.errors import Permanent


class ParentMissing(Permanent):
    """The document that another one names as its parent is not there."""

    code = "FLOE-PLAT-001"
    title = "A parent document is not there"


class ParentCycle(Permanent):
    """A document is its own ancestor."""

    code = "FLOE-PLAT-002"
    title = "Platform documents name each other as parents"


class TooManyParents(Permanent):
    """The chain of parents is longer than any organisation is deep."""

    code = "FLOE-PLAT-003"
    title = "The chain of parents is too long"


class ScopeWrong(Permanent):
    """A document's scope does not fit its parent, or a field does not fit its scope."""

    code = "FLOE-PLAT-004"
    title = "The scope of a platform document does not fit"


class FieldForbidden(Permanent):
    """A document sets what a document above it forbids."""

    code = "FLOE-PLAT-005"
    title = "A document above forbids this field"


class ForbiddenUnknown(Permanent):
    """A document forbids a field that no platform document has."""

    code = "FLOE-PLAT-006"
    title = "A field that is forbidden does not exist"


class PlatformMissing(Permanent):
    """floe.yaml names a platform document that is not there."""

    code = "FLOE-PLAT-007"
    title = "The platform that floe.yaml names is not there"
