"""Finding what builds the table in a product's module, and calling it with what it asks for.

A module is either plain, with a function called as the transform (or with no other public function), or holds a Dagster
asset of that name. Dagster is imported by the module, never here: it costs a second.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

from floe_contracts.suggestions import meant_or_known
from floe_contracts.transform_context import TransformContext
from floe_executor.transform_child.failures import Unfit

CONTEXT: Final = "context"
_FORMS: Final = {
    "DuckDBPyRelation": "relation",
    "Any": "relation",
    "Table": "table",
    "RecordBatchReader": "reader",
}
"""What an input may be annotated as, by the last part of its name."""
_GIVEN_BY_FLOE: Final = {"io_manager"}

Read = Callable[[str, str], Any]
"""Gives an input by its name, in the form `relation`, `table` or `reader`."""


def call_transform(
    name: str, module: str, folder: Path, context: TransformContext, known: list[str], read: Read
) -> Any:
    """Import the module, call what builds the table, and return what that returns.

    Args:
        name: of the transform.
        module: the module, from `folder`.
        folder: the product's folder; its modules win over those that are installed.
        context: given to a parameter `context`.
        known: names of the inputs.
        read: gives an input.

    Raises:
        Unfit: there is nothing of that name, or it asks for something that there is not.
        Exception: whatever the module raises.
    """
    sys.path.insert(0, str(folder))
    found = importlib.import_module(module)
    asset = _asset(found, name)
    if asset is not None:
        return _call_asset(asset, name, context, known, read)
    function = _function(found, name)
    arguments = {}
    hints = _hints(function)
    for parameter in _named(function):
        if parameter.name in known:
            arguments[parameter.name] = read(parameter.name, _form(parameter, hints))
        elif parameter.name == CONTEXT:
            arguments[CONTEXT] = context
        elif parameter.default is inspect.Parameter.empty:
            raise _no_input(function.__name__, parameter.name, known)
    return function(**arguments)


def _function(module: ModuleType, name: str) -> Callable[..., Any]:
    named = getattr(module, name, None)
    if callable(named):
        return typing.cast("Callable[..., Any]", named)
    public = [
        each
        for key, each in vars(module).items()
        if isinstance(each, FunctionType) and each.__module__ == module.__name__ and not key.startswith("_")
    ]
    if len(public) == 1:
        return public[0]
    known = [each.__name__ for each in public]
    has = f"it has {len(public)} public functions: {', '.join(known)}" if public else "it has no public function"
    raise Unfit(f"the module {module.__name__} has no function {name}, and {has}")


def _asset(module: ModuleType, name: str) -> Any | None:
    """The Dagster asset of that name, if the module has any assets."""
    dagster = sys.modules.get("dagster")
    if dagster is None:
        return None
    assets = [each for each in vars(module).values() if isinstance(each, dagster.AssetsDefinition)]
    named = [each for each in assets if name in {key.path[-1] for key in each.keys}]
    if assets and not named:
        keys = sorted(key.path[-1] for each in assets for key in each.keys)
        raise Unfit(f"the module {module.__name__} has no asset {name}; {meant_or_known(name, keys)}")
    if not named:
        return None
    if len(named[0].keys) > 1:
        raise Unfit(f"the asset {name} is one of several that one function builds; give it a function of its own")
    return named[0]


def _call_asset(asset: Any, name: str, context: TransformContext, known: list[str], read: Read) -> Any:
    if wanted := sorted(set(asset.required_resource_keys) - _GIVEN_BY_FLOE):
        raise Unfit(f"the asset {name} wants the resources {', '.join(wanted)}, and floe gives it none")
    function = asset.op.compute_fn.decorated_fn
    parameters = {parameter.name: parameter for parameter in _named(function)}
    hints = _hints(function)
    arguments = {}
    for parameter, key in asset.keys_by_input_name.items():
        if parameter in parameters:  # the others say what comes before, and give nothing
            source = key.path[-1]
            if source not in known:
                raise _no_input(name, source, known)
            arguments[parameter] = read(source, _form(parameters[parameter], hints))
    dagster: Any = sys.modules["dagster"]
    given = (
        (dagster.build_asset_context(partition_key=context.partition),) if asset.op.compute_fn.has_context_arg() else ()
    )
    result = asset(*given, **arguments)
    return result.value if isinstance(result, dagster.Output | dagster.MaterializeResult) else result


def _named(function: Callable[..., Any]) -> list[inspect.Parameter]:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in inspect.signature(function).parameters.values() if each.kind not in variable]


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The annotations, resolved where they can be: a name may be imported for type checkers only."""
    try:
        return typing.get_type_hints(function)
    except (NameError, AttributeError, TypeError):
        return getattr(function, "__annotations__", {})


def _form(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> str:
    hint = hints.get(parameter.name)
    if hint is None:
        return "relation"
    called = hint if isinstance(hint, str) else getattr(hint, "__qualname__", str(hint))
    form = _FORMS.get(called.rpartition(".")[2])
    if form is None:
        raise Unfit(
            f"the parameter {parameter.name} is annotated as {called}; an input is a duckdb.DuckDBPyRelation, a "
            "pyarrow.Table or a pyarrow.RecordBatchReader"
        )
    return form


def _no_input(function: str, parameter: str, known: list[str]) -> Unfit:
    hint = meant_or_known(parameter, known) if known else "dependsOn names nothing"
    return Unfit(f"{function} wants {parameter!r}, which dependsOn does not name; {hint}")
