"""What dbt's own log leaves out of a node that it built: the columns with their types, the rows, the compiled code.

In a forked child, dbt is made to look once more at each node that it has executed, on a connection of its own, and to
write one more structured line before its own result line:

    {"info": {"name": "FloeNodeColumns", ...}, "data": {"node_info": {"unique_id": ...}, "columns": [{"name", "type"}],
     "rows": 3, "compiled_code": "...", "query": "...", "message": "..."}}

`query` is the id by which the warehouse knows what was executed. `message` is the error of a node that failed, which
dbt itself tells only at the very end. What cannot be found out is left out: nothing of this may make a node fail.
Importing this module imports dbt.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dbt.task.base import BaseRunner
from dbt.task.run import MicrobatchBatchRunner
from dbt_common.exceptions import env_secrets, scrub_secrets
from dbt_common.invocation import get_invocation_id

EVENT: Final = "FloeNodeColumns"
LONGEST_CODE: Final = 200_000
"""Characters of compiled code that are told; longer code is left out, since a message on the bus has its limit."""
_LONGEST_MESSAGE: Final = 20_000
_BUILT: Final = frozenset({"model", "seed", "snapshot"})
_COUNTED: Final = frozenset({"incremental", "seed", "snapshot", "table"})
_NO_QUERY: Final = "N/A"
"""What dbt-databricks has for statements without an id."""
_FAILED: Final = frozenset({"error", "fail"})
_STDOUT: Final = "stdout_log"
"""dbt's name for the logger of its standard output: its handler keeps the lines of several threads apart."""


def tells_columns(environment: Mapping[str, str]) -> bool:
    """Whether the one who asked for this dbt reads its log as JSON."""
    return environment.get("DBT_LOG_FORMAT") == "json"


def tell_columns() -> None:
    """Make dbt in this process tell of each executed node what `EVENT` says; for a child that runs dbt once."""
    run, secrets = BaseRunner.safe_run, env_secrets()

    def run_and_tell(runner: Any, manifest: Any) -> Any:
        result = run(runner, manifest)
        if not isinstance(runner, MicrobatchBatchRunner):  # a part of a node, which the whole tells of
            try:
                _tell(runner, result, secrets)
            except Exception:  # whatever it is: dbt's own result must come out
                logging.getLogger(__name__).debug("columns are not told", exc_info=True)
        return result

    BaseRunner.safe_run = run_and_tell


def _tell(runner: Any, result: Any, secrets: list[str]) -> None:
    data = _found(runner, result)
    if not data:
        return
    node = {"unique_id": runner.node.unique_id, "resource_type": str(runner.node.resource_type)}
    info = {
        "name": EVENT,
        "level": "debug",
        "msg": "",
        "ts": datetime.now(UTC).isoformat(),
        "invocation_id": get_invocation_id(),
    }
    line = json.dumps({"info": info, "data": {"node_info": node} | data}, ensure_ascii=False)
    logging.getLogger(_STDOUT).info("%s", scrub_secrets(line, secrets))


def _found(runner: Any, result: Any) -> dict[str, Any]:
    node = result.node or runner.node
    if node.is_ephemeral_model:  # it has no place of its own, and dbt has no line for it
        return {}
    found: dict[str, Any] = {}
    code = getattr(node, "compiled_code", None)
    if code and len(code) <= LONGEST_CODE:
        found["compiled_code"] = code.strip()
    if query := query_of(result.adapter_response or {}):
        found["query"] = query
    if str(result.status) in _FAILED:
        if result.message:
            found["message"] = str(result.message)[:_LONGEST_MESSAGE]
    elif str(result.status) == "success" and str(node.resource_type) in _BUILT:
        try:
            found |= _relation(runner, node)
        except Exception:  # of the adapter, of any kind; the code is told all the same
            logging.getLogger(__name__).debug("columns are not known", exc_info=True)
    return found


def query_of(response: Mapping[str, Any]) -> str | None:
    """The id of a query from an adapter's response; a job of BigQuery is known by its project and place as well."""
    if job := response.get("job_id"):
        places = (response.get("project_id"), response.get("location"))
        return f"{places[0]}:{places[1]}.{job}" if all(places) else str(job)
    query = response.get("query_id")
    return str(query) if query and query != _NO_QUERY else None


def _relation(runner: Any, node: Any) -> dict[str, Any]:
    adapter = runner.adapter
    if adapter.type() == "duckdb":
        counted = node.get_materialization() in _COUNTED
        return _in_duckdb(adapter.connections.env(), node.relation_name, counted=counted)
    relation = adapter.Relation.create_from(runner.config, node)
    with adapter.connection_named(f"columns of {node.unique_id}"):
        columns = adapter.get_columns_in_relation(relation)
    return {"columns": [{"name": column.name, "type": column.data_type} for column in columns]}


def _in_duckdb(environment: Any, relation: str, *, counted: bool) -> dict[str, Any]:
    """Ask DuckDB itself: dbt's way tells its log of every step, and asks the information schema, which grows."""
    handle = environment.handle()
    try:
        cursor = handle.cursor()
        bound = cursor.sql(f"select * from {relation}")  # noqa: S608 -- dbt's name; bound and not executed
        columns = [{"name": name, "type": str(kind)} for name, kind in zip(bound.columns, bound.types, strict=True)]
        found: dict[str, Any] = {"columns": columns}
        if counted:
            found["rows"] = cursor.execute(f"select count(*) from {relation}").fetchone()[0]  # noqa: S608 -- dbt's name
        return found
    finally:
        handle.close()
