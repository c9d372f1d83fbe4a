"""Which of a product's files are its data contracts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from floe_compiler.core.data_contracts.errors import ContractFileMissing, ContractNameTwice
from floe_compiler.core.data_contracts.reading import DataContract
from floe_contracts.errors import FloeError, Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.suggestions import did_you_mean

FOLDER: Final = "contracts"
_NAMES: Final = frozenset({"datacontract.yaml", "datacontract.yml"})
_ENDINGS: Final = (".odcs.yaml", ".odcs.yml")
_YAML: Final = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class NamedContract:
    """A contract that an output port of floe.yaml names: its path from the product's folder, and where it says so."""

    path: str
    where: Where


@dataclass(frozen=True, slots=True)
class DiscoveredContracts:
    """The files to read, sorted, and the names that lead to none."""

    files: tuple[str, ...]
    problems: tuple[FloeError, ...]


def named_contracts(spec: FloeSpec) -> tuple[NamedContract, ...]:
    """The contracts that the output ports of floe.yaml name."""
    return tuple(
        NamedContract(port.contract, Where("floe.yaml", path=f"outputPorts.{number}.contract"))
        for number, port in enumerate(spec.output_ports)
        if port.contract is not None
    )


def discover_contracts(paths: Iterable[str], named: Iterable[NamedContract] = ()) -> DiscoveredContracts:
    """The contracts among the files of a product.

    These are `datacontract.yaml` and `*.odcs.yaml` beside floe.yaml, all YAML files of the folder `contracts` beside
    it, and whatever the output ports name.

    Args:
        paths: every file of the product, relative POSIX paths from the folder of floe.yaml.
        named: the contracts of the output ports.
    """
    listed = set(paths)
    found = {path for path in listed if _is_contract(PurePosixPath(path))}
    problems: list[FloeError] = []
    for contract in named:
        path = PurePosixPath(contract.path).as_posix()
        if path in listed:
            found.add(path)
            continue
        candidates = [other for other in listed if PurePosixPath(other).suffix in _YAML]
        hint = did_you_mean(path, candidates) or "paths start at the folder of floe.yaml"
        problems.append(ContractFileMissing(f"there is no file {path!r}", where=contract.where, hint=hint))
    return DiscoveredContracts(tuple(sorted(found)), tuple(problems))


def ids_used_twice(contracts: Iterable[DataContract]) -> tuple[FloeError, ...]:
    """A problem for every contract that has the id of an earlier one: versions are compared by id."""
    first: dict[str, str] = {}
    problems: list[FloeError] = []
    for contract in contracts:
        compiled = contract.compiled
        other = first.setdefault(compiled.id, compiled.file)
        if other != compiled.file:
            text = f"the id {compiled.id!r} is that of {other} too"
            problems.append(ContractNameTwice(text, where=contract.tree.where(("id",)), hint="give each its own id"))
    return tuple(problems)


def _is_contract(path: PurePosixPath) -> bool:
    if len(path.parts) == 1:
        return path.name in _NAMES or path.name.endswith(_ENDINGS)
    return len(path.parts) == 2 and path.parts[0] == FOLDER and path.suffix in _YAML
