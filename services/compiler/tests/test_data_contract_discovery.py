"""Which files of a product are its data contracts."""

from __future__ import annotations

from floe_compiler.core.data_contracts.discovery import NamedContract, discover_contracts, ids_used_twice
from floe_compiler.core.data_contracts.errors import ContractFileMissing, ContractNameTwice
from floe_compiler.core.data_contracts.reading import read_contract
from floe_contracts.errors import Where

FILES = (
    "floe.yaml",
    "datacontract.yaml",
    "orders.odcs.yml",
    "contracts/b.yaml",
    "contracts/a.yml",
    "contracts/README.md",
    "contracts/old/a.yaml",
    "dbt/datacontract.yaml",
    "dbt/models/contracts/a.yaml",
    "promises/orders.yaml",
)
PORT = Where("floe.yaml", 9, 3, "outputPorts.0.contract")
CONTRACT = "apiVersion: v3.1.0\nkind: DataContract\nid: orders\nversion: 1.0.0\n"


def test_the_usual_places_beside_floe_yaml() -> None:
    found = discover_contracts(FILES)
    assert found.files == ("contracts/a.yml", "contracts/b.yaml", "datacontract.yaml", "orders.odcs.yml")
    assert found.problems == ()
    assert discover_contracts(()).files == ()


def test_output_ports_name_others() -> None:
    found = discover_contracts(FILES, [NamedContract("./promises/orders.yaml", PORT)])
    assert "promises/orders.yaml" in found.files
    assert found.problems == ()


def test_a_named_contract_that_is_not_there() -> None:
    (problem,) = discover_contracts(FILES, [NamedContract("promises/order.yaml", PORT)]).problems
    assert isinstance(problem, ContractFileMissing)
    assert (problem.where, problem.hint) == (PORT, "did you mean 'promises/orders.yaml'?")


def test_each_contract_has_an_id_of_its_own() -> None:
    contracts = [read_contract(CONTRACT, name) for name in ("a.yaml", "b.yaml")]
    (problem,) = ids_used_twice(contracts)
    assert isinstance(problem, ContractNameTwice)
    assert str(problem.where) == "b.yaml:3:1 (id)"
    assert ids_used_twice(contracts[:1]) == ()
