"""Tests that every plugin passes; subclass the class of your group in your own tests, and pytest runs them.

    class TestOurBackend(LineageBackendConformance):
        name = "ours"

        @pytest.fixture
        def options(self, tmp_path):
            return {"path": str(tmp_path / "events")}

        def received(self, options):
            return ...

Needs pytest, and jsonschema for the check of the schema: `pip install floe-contracts[conformance]`.
"""

# ruff: noqa: S101  # these are tests
from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from floe_contracts.documents.placed import Unplaced
from floe_contracts.errors import DocumentInvalid
from floe_contracts.plugins.lineage_backends import Answer, Backend, LineageEvent, Position, Rewindable
from floe_contracts.plugins.metadata import PluginMetadata
from floe_contracts.plugins.registry import (
    CATALOGS,
    LINEAGE_BACKENDS,
    SECRETS,
    TARGETS,
    TRANSFORMS,
    Group,
    installed,
    load,
    options_schema,
    read_options,
)
from floe_contracts.plugins.secret_stores import SecretStore
from floe_contracts.sections import PROFILE_PATTERN, SEMVER_PATTERN

_NOWHERE = "there-is-no-such-option"


class PluginConformance:
    """What holds for plugins of every group.

    Attributes:
        group: set by the class of each group.
        name: of the plugin; set by you.
    """

    group: ClassVar[Group[Any]]
    name: ClassVar[str]

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """Options that the plugin takes, as a document has them. Override it where there are any."""
        return {}

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        """The secrets that the options name, by name. Override it where there are any."""
        return {}

    def plugin(self) -> Any:
        """The plugin, found as floe finds it."""
        return load(self.group, self.name)

    def read(self, options: Mapping[str, Any]) -> Any:
        """The options as the plugin gets them."""
        return read_options(self.plugin(), Unplaced(self.name, options))

    def test_it_is_found_by_its_entry_point(self) -> None:
        assert self.name in installed(self.group)

    def test_it_says_who_it_is(self) -> None:
        metadata = self.plugin().metadata
        assert isinstance(metadata, PluginMetadata)
        assert metadata.name == self.name
        assert re.match(PROFILE_PATTERN, metadata.name), "documents could not name it"
        assert re.match(SEMVER_PATTERN, metadata.version), "the version is no semantic version"
        assert re.fullmatch(r"[0-9]+\.[0-9]+", metadata.api_version), "the api version is two numbers, as in 1.0"
        assert metadata.description.strip(), "it says nothing of itself"

    def test_it_is_made_anew_each_time(self) -> None:
        assert self.plugin() is not self.plugin()

    def test_the_schema_of_its_options_is_json_schema(self, options: Mapping[str, Any]) -> None:
        jsonschema = pytest.importorskip("jsonschema")
        schema = options_schema(self.plugin())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert set(options) <= set(schema.get("properties", {})), "options that the schema does not have"
        undescribed = [name for name, field in self.plugin().options.model_fields.items() if not field.description]
        assert not undescribed, "options without a description"

    def test_its_options_come_back_as_they_were_read(self, options: Mapping[str, Any]) -> None:
        read = self.read(options)
        written = read.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert self.read(written) == read

    def test_options_that_it_does_not_know_are_refused(self, options: Mapping[str, Any]) -> None:
        with pytest.raises(DocumentInvalid) as refused:
            self.read({**options, _NOWHERE: "x"})
        assert any(_NOWHERE in problem.message for problem in refused.value.problems)

    def test_options_hold_no_secret(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        shown = f"{options!r} {self.read(options)!r}"
        assert not [name for name, value in secrets.items() if value in shown], "a secret is named, never written"


class LineageBackendConformance(PluginConformance):
    """What holds for lineage backends."""

    group = LINEAGE_BACKENDS

    def received(self, options: Mapping[str, Any]) -> Sequence[bytes]:
        """The bodies of the events that the backend has by now, in their order."""
        raise NotImplementedError

    def backend(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> Backend:
        """A backend that is not open yet."""
        backend: Backend = self.plugin().backend(self.read(options), secrets.__getitem__)
        return backend

    def test_it_takes_events_in_their_order(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        events = _events(5)
        asyncio.run(_sent(self.backend(options, secrets), events))
        assert list(self.received(options)) == [event.body for event in events]

    def test_it_goes_on_where_it_was(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        first, second = _events(4)[:2], _events(4)[2:]
        asyncio.run(_sent(self.backend(options, secrets), first))
        done = asyncio.run(_sent(self.backend(options, secrets), second))
        assert done is None or done == first[-1].position, "what `open` says is not what it was sent last"
        assert list(self.received(options)) == [event.body for event in (*first, *second)]

    def test_it_takes_what_is_replayed(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        events = _events(4)
        asyncio.run(_sent(self.backend(options, secrets), events))
        if isinstance(self.backend(options, secrets), Rewindable):
            asyncio.run(_rewound(self.backend(options, secrets), events[1].position))
        done = asyncio.run(_sent(self.backend(options, secrets), events[2:]))
        assert {event.body for event in events} <= set(self.received(options))
        if isinstance(self.backend(options, secrets), Rewindable):
            assert done == events[1].position, "`open` does not say what `rewind` was told"
            assert list(self.received(options)) == [event.body for event in (*events, *events[2:])]

    def test_it_says_how_many_it_takes_at_once(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        assert self.backend(options, secrets).most >= 1

    def test_it_may_be_closed_before_it_is_open(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        asyncio.run(self.backend(options, secrets).close())

    def test_it_shows_no_secret(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        backend = self.backend(options, secrets)
        assert not [name for name, value in secrets.items() if value in repr(backend)]


class SecretStoreConformance(PluginConformance):
    """What holds for secret stores. The fixture `secrets` is what the store holds."""

    group = SECRETS

    @pytest.fixture
    def environment(self) -> Mapping[str, str]:
        """The environment of the process. Override it where the store needs one."""
        return {}

    def store(self, options: Mapping[str, Any], environment: Mapping[str, str]) -> SecretStore:
        """A store."""
        store: SecretStore = self.plugin().store(self.read(options), environment)
        return store

    def test_it_tells_what_it_holds(
        self, options: Mapping[str, Any], environment: Mapping[str, str], secrets: Mapping[str, str]
    ) -> None:
        assert secrets, "override the fixture `secrets` with what the store holds"
        store = self.store(options, environment)
        assert {name: store.find(name) for name in secrets} == dict(secrets)

    def test_it_says_what_it_does_not_hold(self, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        store = self.store(options, environment)
        assert store.find("no-such-secret-anywhere") is None
        assert store.place("no-such-secret-anywhere").strip()

    def test_it_shows_no_secret(
        self, options: Mapping[str, Any], environment: Mapping[str, str], secrets: Mapping[str, str]
    ) -> None:
        store = self.store(options, environment)
        for name, value in secrets.items():
            store.find(name)
            assert value not in store.place(name)
            assert value not in repr(store)


class CatalogConformance(PluginConformance):
    """What holds for kinds of catalogs."""

    group = CATALOGS

    def test_it_holds_namespaces(self, options: Mapping[str, Any]) -> None:
        catalog = self.plugin().open("conformance", self.read(options), {})
        catalog.create_namespace(("conformance",))
        again = self.plugin().open("conformance", self.read(options), {})
        assert ("conformance",) in again.list_namespaces()
        again.drop_namespace(("conformance",))

    def test_it_shows_no_secret(self, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        catalog = self.plugin().open("conformance", self.read(options), {})
        assert not [name for name, value in secrets.items() if value in repr(catalog)]


class TransformConformance(PluginConformance):
    """What holds for kinds of transforms."""

    group = TRANSFORMS

    def test_it_says_what_keeps_it_from_working(self, options: Mapping[str, Any]) -> None:
        read = self.read(options)
        for violation in self.plugin().check(read, lambda _: False):
            assert violation.message.strip()
            assert not violation.path or violation.path[0] in options, "a path begins at the transform's own section"

    def test_it_works_where_every_file_is_there(self, options: Mapping[str, Any]) -> None:
        assert list(self.plugin().check(self.read(options), lambda _: True)) == []


class TargetConformance(PluginConformance):
    """What holds for targets."""

    group = TARGETS

    def test_it_names_its_adapter(self) -> None:
        assert re.fullmatch(r"[a-z0-9_]+", self.plugin().adapter)

    def test_its_properties_have_places_of_their_own(self) -> None:
        warehouse = self.plugin().warehouse
        assert bool(warehouse.modes) == bool(warehouse.section), "modes stand in a section"
        for mode in [*warehouse.modes.values()] or [None]:
            properties = [*warehouse.properties, *(mode.properties if mode else ())]
            assert len({entry.name for entry in properties}) == len(properties)
            outputs = [*(entry.output for entry in properties), *(mode.constants if mode else ())]
            assert len(set(outputs)) == len(outputs), "two properties go to the same place"


def _events(count: int) -> list[LineageEvent]:
    return [
        LineageEvent(f'{{"eventType":"OTHER","number":{number}}}'.encode(), f"event-{number}", Position(number, number))
        for number in range(1, count + 1)
    ]


async def _rewound(backend: Backend, to: Position) -> None:
    assert isinstance(backend, Rewindable)
    try:
        await backend.open()
        await backend.rewind(to)
    finally:
        await backend.close()


async def _sent(backend: Backend, events: Sequence[LineageEvent]) -> Position | None:
    """Open, send in parts that are small enough, close; what `open` said."""
    try:
        position = await backend.open()
        for start in range(0, len(events), backend.most):
            answer: Answer = await backend.send(events[start : start + backend.most])
            assert answer.status is not None, answer.reason
            assert 200 <= answer.status < 300, answer.reason
            assert not answer.failures
    finally:
        await backend.close()
    return position
