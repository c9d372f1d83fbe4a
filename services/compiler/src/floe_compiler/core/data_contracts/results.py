"""What came of checking data contracts, for the report of governance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from floe_compiler.core.data_contracts.checking import check_contract
from floe_compiler.core.data_contracts.reading import DataContract
from floe_contracts.governance.reports import ContractResult
from floe_contracts.nodes import NodeGraph


def contract_results(
    contracts: Iterable[DataContract], graphs: Mapping[str, NodeGraph], classifications: Collection[str]
) -> tuple[ContractResult, ...]:
    """The result of every contract in every environment, and what could not be checked, by its place."""
    results = []
    for contract in contracts:
        for environment, graph in sorted(graphs.items()):
            check = check_contract(contract, graph, classifications)
            result = ContractResult(
                contract=contract.compiled.id,
                environment=environment,
                status=check.status,
                checked=check.checked,
                not_checked=tuple(f"{skipped.where}: {skipped.message}" for skipped in check.not_checked),
            )
            results.append(result)
    return tuple(results)
