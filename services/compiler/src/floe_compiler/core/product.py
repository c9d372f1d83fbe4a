"""The parts of an artifact that hold for every environment, from floe.yaml."""

from __future__ import annotations

from typing import TypeVar

from floe_compiler.core.annotations import quality_check
from floe_contracts.compiled_product import (
    CompiledDestination,
    CompiledObservability,
    CompiledOrchestration,
    CompiledOutputPort,
    CompiledPreAggregations,
    CompiledPythonTransform,
    CompiledSchedule,
    CompiledTrigger,
)
from floe_contracts.data import Data
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.product.serving import OutputPort
from floe_contracts.product.transforms import PythonTransform
from floe_contracts.sections import Section

DataT = TypeVar("DataT", bound=Data)


def schedule(spec: FloeSpec) -> CompiledSchedule | None:
    """The clock of the product, if it has one."""
    return None if spec.schedule is None else _as(CompiledSchedule, spec.schedule)


def triggers(spec: FloeSpec) -> tuple[CompiledTrigger, ...]:
    """What else starts a run."""
    return tuple(_as(CompiledTrigger, trigger) for trigger in spec.triggers)


def orchestration(spec: FloeSpec) -> CompiledOrchestration:
    """How the runs go."""
    return _as(CompiledOrchestration, spec.orchestration)


def observability(spec: FloeSpec, platform: PlatformSpec) -> CompiledObservability:
    """What the runs tell; of an attribute that both documents set, the platform's value holds."""
    own = _as(CompiledObservability, spec.observability)
    return own.model_copy(update={"attributes": own.attributes | platform.observability.attributes})


def pre_aggregations(spec: FloeSpec) -> CompiledPreAggregations | None:
    """How Cube keeps its pre-aggregations fresh, where the product says so."""
    written = spec.consumption.cube.pre_aggregations
    return None if written is None else _as(CompiledPreAggregations, written)


def python_transforms(spec: FloeSpec) -> tuple[CompiledPythonTransform, ...]:
    """The Python modules, in the order of floe.yaml."""
    return tuple(_python_transform(transform) for transform in spec.python)


def output_ports(spec: FloeSpec) -> tuple[CompiledOutputPort, ...]:
    """The tables that others may build on."""
    return tuple(_output_port(port) for port in spec.output_ports)


def destinations(spec: FloeSpec) -> tuple[CompiledDestination, ...]:
    """The places that tables are sent to."""
    return tuple(_as(CompiledDestination, destination) for destination in spec.destinations)


def _python_transform(transform: PythonTransform) -> CompiledPythonTransform:
    checks = tuple(quality_check(check) for check in transform.quality_checks)
    values = transform.model_dump(mode="json", by_alias=False, exclude={"type", "quality_checks"})
    return CompiledPythonTransform(**values, quality_checks=checks)


def _output_port(port: OutputPort) -> CompiledOutputPort:
    return CompiledOutputPort(**port.model_dump(mode="json", by_alias=False) | {"model": port.model or port.name})


def _as(model: type[DataT], section: Section) -> DataT:
    return model.model_validate(section.model_dump(mode="json", by_alias=False))
