"""What must hold between the fields of a `floe.yaml`, beside what each field says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from floe_contracts.floe_spec import FloeSpec
from floe_contracts.product.transforms import DbtTransform, PythonTransform, QualityCheck

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that does not hold.

    Attributes:
        path: the field that it speaks of.
        message: what is wrong.
        hint: how to mend it.
    """

    path: Path
    message: str
    hint: str | None = None


def check_floe_spec(spec: FloeSpec) -> Iterator[Violation]:
    """Every violation in a spec whose fields are valid by themselves."""
    yield from _one_dbt_project(spec)
    yield from _unique("outputPorts", "name", (port.name for port in spec.output_ports))
    yield from _unique("destinations", "name", (destination.name for destination in spec.destinations))
    yield from _python_names(spec)
    yield from _quality_checks(spec)
    yield from _cycles(spec)
    yield from _classification_names(spec)


def _one_dbt_project(spec: FloeSpec) -> Iterator[Violation]:
    found = [index for index, transform in enumerate(spec.transforms) if isinstance(transform, DbtTransform)]
    if not found:
        yield Violation(("transforms",), "there is no dbt project", "add `- {type: dbt, path: dbt}`")
    for index in found[1:]:
        message = "a second dbt project; a product has one"
        yield Violation(("transforms", index), message, "make it a product of its own, or a package of the first")


def _unique(section: str, field: str, names: Iterable[str]) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Violation((section, index, field), f"the {field} {name!r} stands twice")
        seen.add(name)


def _python_names(spec: FloeSpec) -> Iterator[Violation]:
    taken = {name for transform in spec.transforms if isinstance(transform, DbtTransform) for name in transform.models}
    for index, transform in enumerate(spec.transforms):
        if isinstance(transform, PythonTransform):
            if transform.name in taken:
                message = f"the name {transform.name!r} stands twice among models and Python transforms"
                yield Violation(("transforms", index, "name"), message)
            taken.add(transform.name)


def _quality_checks(spec: FloeSpec) -> Iterator[Violation]:
    for path, checks in _checked(spec):
        counts = Counter(check.name for check in checks)
        for index, check in enumerate(checks):
            if counts[check.name] > 1:
                place = (*path, "qualityChecks", index, "name")
                yield Violation(place, f"the quality check {check.name!r} stands twice")


def _checked(spec: FloeSpec) -> Iterator[tuple[Path, tuple[QualityCheck, ...]]]:
    for index, transform in enumerate(spec.transforms):
        if isinstance(transform, DbtTransform):
            for name, annotation in transform.models.items():
                yield ("transforms", index, "models", name), annotation.quality_checks
        else:
            yield ("transforms", index), transform.quality_checks


def _cycles(spec: FloeSpec) -> Iterator[Violation]:
    """Cycles of `dependsOn`; those that go through the dbt project itself are dbt's to refuse."""
    edges: dict[str, tuple[str, ...]] = {}
    places: dict[str, Path] = {}
    for index, transform in enumerate(spec.transforms):
        if isinstance(transform, DbtTransform):
            for name, annotation in transform.models.items():
                edges[name], places[name] = annotation.depends_on, ("transforms", index, "models", name, "dependsOn")
        else:
            edges[transform.name], places[transform.name] = transform.depends_on, ("transforms", index, "dependsOn")
    for cycle in find_cycles(edges):
        yield Violation(
            places[cycle[0]], f"a dependency cycle: {' -> '.join((*cycle, cycle[0]))}", "remove one of them"
        )


def find_cycles(edges: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """The cycles of a graph, each once, beginning with its least name. Does not recurse."""
    done: set[str] = set()
    found: set[tuple[str, ...]] = set()
    for start in sorted(edges):
        path: list[str] = []
        on_path: dict[str, int] = {}
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                on_path.pop(path.pop())
                done.add(name)
            elif name in on_path:
                found.add(_turned(path[on_path[name] :]))
            elif name not in done:
                on_path[name] = len(path)
                path.append(name)
                stack.append((name, True))
                stack += [(following, False) for following in edges.get(name, ())]
    return sorted(found)


def _turned(cycle: list[str]) -> tuple[str, ...]:
    least = cycle.index(min(cycle))
    return tuple(cycle[least:] + cycle[:least])


def _classification_names(spec: FloeSpec) -> Iterator[Violation]:
    """Policies stand in platform.yaml, so a name that only a product knows would have none."""
    rules = spec.governance.rules.classification
    if rules is not None and rules.names:
        place = ("governance", "rules", "classification", "names")
        yield Violation(place, "classifications are declared by the platform", "ask the platform's owner to add them")
