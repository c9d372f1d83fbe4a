"""Reading `floe.yaml` and `platform.yaml`: text in, a model out, or every problem at once with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from floe_contracts.dialects.conversion import Converted, as_written
from floe_contracts.dialects.detection import Dialect, dialect_of_floe, dialect_of_platform, likeness
from floe_contracts.dialects.flat import convert_flat_spec
from floe_contracts.dialects.flat_models import FlatPlatform, FlatSpec
from floe_contracts.dialects.flat_platform import convert_flat_platform
from floe_contracts.dialects.manifest import convert_named_spec
from floe_contracts.dialects.manifest_models import Manifest, NamedSpec
from floe_contracts.dialects.manifest_platform import convert_manifest
from floe_contracts.documents.field_problems import FieldInvalid as FieldInvalid
from floe_contracts.documents.field_problems import validate_tree as validate_tree
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.secrets_scan import refused_texts, shown, without_secrets
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS, Tree, read_tree
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform.checks import check_platform_spec
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.product.checks import Violation, check_floe_spec

Kind = Literal["FloeSpec", "PlatformSpec"]
OneT = TypeVar("OneT")
OtherT = TypeVar("OtherT")


class KindUnknown(Permanent):
    """A document does not say that it is what was asked for."""

    code = "FLOE-SPEC-004"
    title = "A document is of another kind or version"


class FieldsContradict(Permanent):
    """Fields that are valid by themselves and do not go together."""

    code = "FLOE-SPEC-005"
    title = "Fields of a document do not go together"


def read_floe_spec(text: str, file: str = "floe.yaml") -> FloeSpec:
    """Read a `floe.yaml`, in any of its forms.

    Raises:
        DocumentInvalid: with all problems.
    """
    return validate_floe(read_floe_tree(text, file))


def read_floe_tree(text: str, file: str = "floe.yaml") -> Converted:
    """The values of a `floe.yaml` in canonical form; that they are the right ones is looked at only to refuse it.

    Raises:
        DocumentInvalid: with all problems, if it is not readable, not a floe.yaml, or says what may not be said.
    """
    return _read("FloeSpec", text, file)


def validate_floe(tree: Placed) -> FloeSpec:
    """The product of a document's values.

    Raises:
        DocumentInvalid: with all problems.
    """
    spec = validate_tree(FloeSpec, tree)
    _refuse(tree, check_floe_spec(spec))
    return spec


def read_platform_spec(text: str, file: str = "platform.yaml") -> PlatformSpec:
    """Read a `platform.yaml`, in any of its forms.

    Raises:
        DocumentInvalid: with all problems.
    """
    return validate_platform(read_platform_tree(text, file))


def read_platform_tree(text: str, file: str, *, whole: bool = True) -> Converted:
    """The values of a `platform.yaml` in canonical form; that they are the right ones is looked at only to refuse it.

    Args:
        text: the document.
        file: its name, for messages.
        whole: whether it has to stand by itself; one that others have as their parent need not.

    Raises:
        DocumentInvalid: with all problems, if it is not readable, not a platform, or says what may not be said.
    """
    return _read("PlatformSpec", text, file, whole=whole)


def validate_platform(tree: Placed) -> PlatformSpec:
    """The platform of a document's values.

    Raises:
        DocumentInvalid: with all problems.
    """
    spec = validate_tree(PlatformSpec, tree)
    _refuse(tree, check_platform_spec(spec))
    return spec


def read_both(floe_spec: Callable[[], OneT], platform_spec: Callable[[], OtherT]) -> tuple[OneT, OtherT]:
    """Read both documents; when one is refused, the problems of the other are told as well.

    Raises:
        DocumentInvalid: with the problems of both.
    """
    problems: list[FloeError] = []
    spec, platform = None, None
    try:
        spec = floe_spec()
    except DocumentInvalid as error:
        problems += error.problems
    try:
        platform = platform_spec()
    except DocumentInvalid as error:
        problems += error.problems
    if spec is None or platform is None:
        raise DocumentInvalid(problems)
    return spec, platform


def _read(kind: Kind, text: str, file: str, *, whole: bool = True) -> Converted:
    try:
        tree = read_tree(text, file)
    except DocumentInvalid as error:
        raise DocumentInvalid(without_secrets(error.problems)) from None
    refused: list[FloeError] = [*refused_texts(tree)]
    try:
        converted = _convert(kind, tree)
        refused += converted.refusals
        if refused and whole and (kind == "FloeSpec" or converted.value.get("parent") is None):
            _validate(kind, converted)
    except DocumentInvalid as error:
        raise DocumentInvalid(_together(file, refused, error.problems)) from None
    if refused:
        raise DocumentInvalid(_together(file, refused, ()))
    return converted


def _validate(kind: Kind, tree: Placed) -> FloeSpec | PlatformSpec:
    return validate_floe(tree) if kind == "FloeSpec" else validate_platform(tree)


def _convert(kind: Kind, tree: Tree) -> Converted:
    """The canonical form of a document, whatever form it has."""
    if not isinstance(tree.value, dict):
        header = f"begin with `apiVersion: floe.dev/v1` and `kind: {kind}`, a line each"
        raise DocumentInvalid([FieldInvalid(f"a {kind} is a mapping", where=tree.where(()), hint=header)])
    written = as_written(tree)
    dialect = dialect_of_floe(tree.value) if kind == "FloeSpec" else dialect_of_platform(tree.value)
    match kind, dialect:
        case "FloeSpec", Dialect.FLAT:
            return convert_flat_spec(tree, validate_tree(FlatSpec, written))
        case "FloeSpec", Dialect.MANIFEST:
            return convert_named_spec(tree, validate_tree(NamedSpec, written))
        case "PlatformSpec", Dialect.FLAT:
            return convert_flat_platform(tree, validate_tree(FlatPlatform, written))
        case "PlatformSpec", Dialect.MANIFEST:
            return convert_manifest(tree, validate_tree(Manifest, written))
    _check_kind(kind, tree)
    return written


def _check_kind(kind: Kind, tree: Tree) -> None:
    like = likeness(tree.value)
    looks = f"; it looks like {like}" if like else ""
    for field, expected in (("apiVersion", "floe.dev/v1"), ("kind", kind)):
        if (found := tree.value.get(field)) != expected:
            said = f"it says {shown(found, (field,))}" if found is not None else "the field is missing"
            another = like is not None and like != likeness({"kind": kind})
            problem = KindUnknown(
                f"not a {kind}: {field} must be {expected!r}, and {said}{looks}",
                where=tree.where((field,)),
                hint=f"this is the place of a {kind}; {like} stands in a file of its own"
                if another
                else f"write `{field}: {expected}` at the top",
            )
            raise DocumentInvalid([problem])


def _refuse(tree: Placed, violations: Iterable[Violation]) -> None:
    problems = [
        FieldsContradict(violation.message, where=tree.where(violation.path), hint=violation.hint)
        for violation in violations
    ]
    if problems:
        raise DocumentInvalid(without_secrets(problems))


def _place(problem: FloeError) -> tuple[int, int]:
    where = problem.where or Where()
    return where.line or 0, where.column or 0


def _together(file: str, refused: Iterable[FloeError], others: Iterable[FloeError]) -> list[FloeError]:
    """All problems in the order of their places; of a field whose value is refused altogether no other is told."""
    known = [problem.where for problem in refused]
    found = [*refused, *(problem for problem in others if problem.where not in known)]
    found.sort(key=_place)
    more = len(found) - MAX_PROBLEMS
    if more > 0:
        found = [*found[:MAX_PROBLEMS], FieldInvalid(f"and {more} more problems", where=Where(file))]
    return without_secrets(found)
