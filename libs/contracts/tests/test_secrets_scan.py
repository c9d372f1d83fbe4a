"""Secrets and templates: refused wherever they stand in either document, and never repeated."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.documents.secrets_scan import (
    NAMED_MAPS,
    SecretWritten,
    TemplateWritten,
    is_reference_name,
    is_secret_name,
    is_secret_value,
    looks_random,
    redacted,
    shown,
)
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import PlatformSpec

from .machine_time import millions

FLOE: Final = {
    "apiVersion": "floe.dev/v1",
    "kind": "FloeSpec",
    "metadata": {"name": "shop", "version": "1.0.0", "owner": "shop"},
    "transforms": [{"type": "dbt", "path": "dbt"}],
}
PLATFORM: Final = {
    "apiVersion": "floe.dev/v1",
    "kind": "PlatformSpec",
    "metadata": {"name": "local", "version": "1.0.0", "owner": "platform"},
    "environments": {"dev": {"profiles": {"default": {"compute": "d", "storage": "l", "catalog": "s"}}}},
    "compute": {"d": {"type": "duckdb"}},
    "storage": {"l": {"type": "local"}},
    "catalogs": {"s": {"type": "sql"}},
}
FLAT_FLOE: Final = {"name": "shop", "version": "1.0.0", "transforms": [{"type": "dbt", "path": "dbt"}]}
FLAT_PLATFORM: Final = {"catalogs": {"default": {"uri": "http://polaris:8181", "warehouse": "demo"}}}
NAMED_FLOE: Final = FLOE | {"transforms": [{"name": "orders"}]}
MANIFEST: Final = {
    "apiVersion": "floe.dev/v1",
    "kind": "Manifest",
    "metadata": {"name": "local", "version": "1.0.0", "owner": "platform"},
    "plugins": {"compute": {"type": "duckdb", "config": {"threads": "2"}}},
}
DOCUMENTS: Final[dict[str, tuple[dict[str, Any], Callable[[str], object]]]] = {
    "floe": (FLOE, read_floe_spec),
    "platform": (PLATFORM, read_platform_spec),
    "flat floe": (FLAT_FLOE, read_floe_spec),
    "flat platform": (FLAT_PLATFORM, read_platform_spec),
    "named floe": (NAMED_FLOE, read_floe_spec),
    "manifest": (MANIFEST, read_platform_spec),
}
# Put together here, so that no scanner of the repository takes them for real ones.
VALUES: Final = {
    "access key of AWS": "AKIA" + "QYLPMN5HHHFPZAM2",
    "token of GitHub": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "fine-grained token of GitHub": "github_pat_" + "11AAAAAAA0abcdefghijklm_nopqrstuv",
    "token of GitLab": "glpat-" + "x1y2z3A4B5c6D7e8F9g0",
    "token of Slack": "xoxb-" + "2345678901-abcdefGHIJKL",
    "private key": "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE " + "KEY-----",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "address with a password": "postgresql://floe:" + "hunter2hunter2@db:5432/floe",
    "address with a slash in its password": "https://user:" + "hun/ter2@host/path",
    "parameter": "https://host/path?sig=" + "hunter2hunter2",
    "connection string": "Server=db;Password=" + "hunter2hunter2;",
    "seed of an nkey": "SU" + "ACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VYU"[:56],
    "header": "Bearer " + "abcdefghijklmnop0123",
    "token of Hugging Face": "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "client secret of Google": "GOCSPX-" + "abcdefghijklmnop_123456",
    "token of a registry": "dckr_pat_" + "abcdefghijklmnopqrstuvw",
    "key of SendGrid": "SG." + "abcdefghijklmnopqrstuv." + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "token of Databricks": "dapi" + "0123456789abcdef0123456789abcdef",
}
CANARY: Final = "hunter2-canary"


def problems_of(document: Any, read: Callable[[str], object]) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as caught:
        read(yaml.safe_dump(document, sort_keys=False, width=100_000))
    return caught.value.problems


def told(problems: tuple[FloeError, ...]) -> str:
    return "\n".join([*map(str, problems), *(repr(problem.args) for problem in problems)])


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def changed(document: Any, path: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(document)
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(document[path[0]], path[1:], change)
    return copy


def schema_places(model: type[FloeSpec | PlatformSpec]) -> list[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every field that a document can have, with names for the keys of maps and 0 for the items of lists."""
    root = model.model_json_schema(by_alias=True)

    def walk(
        schema: dict[str, Any], path: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
        if len(path) > 9:
            return
        if "$ref" in schema:
            yield from walk(root["$defs"][schema["$ref"].rpartition("/")[2]], path)
        for choice in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(choice, ()):
                yield from walk(part, path)
        for name, part in schema.get("properties", {}).items():
            yield (*path, name), part
            yield from walk(part, (*path, name))
        for part in (schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()):
            if isinstance(part, dict):
                yield (*path, "some"), part
                yield from walk(part, (*path, "some"))
        if isinstance(schema.get("items"), dict):
            yield from walk(schema["items"], (*path, 0))

    return list({path: (path, schema) for path, schema in walk(root, ())}.values())


def nested(path: tuple[str | int, ...], value: Any) -> Any:
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return value


def merged(document: Any, other: Any) -> Any:
    if isinstance(document, dict) and isinstance(other, dict):
        return document | {key: merged(document.get(key), item) for key, item in other.items()}
    return other


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_of_the_form_of_a_secret_is_refused_and_not_repeated(kind: str) -> None:
    secret = VALUES[kind]
    assert is_secret_value(secret)
    document = FLOE | {"metadata": FLOE["metadata"] | {"description": f"see {secret} there"}}  # type: ignore[operator]
    (problem,) = problems_of(document, read_floe_spec)
    assert isinstance(problem, SecretWritten)
    assert problem.code == "FLOE-SPEC-006"
    assert problem.where is not None
    assert (problem.where.path, problem.where.line) == ("metadata.description", 7)
    assert "secretRef" in (problem.hint or "")
    for part in secret.replace("/", " ").split():
        assert len(part) < 12 or part not in told((problem,))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_secret_at_every_place_of_every_form_is_refused_and_in_no_message(name: str) -> None:
    document, read = DOCUMENTS[name]
    read(yaml.safe_dump(document))
    secret = VALUES["access key of AWS"]
    for path in places(document):
        changes: list[Callable[[Any], Any]] = [
            lambda _: secret,
            lambda _: [secret],
            lambda _: {secret: "x"},
            lambda _: {"x": {"y": [secret]}},
            lambda _: {"password": CANARY},
        ]
        for change in changes:
            if not path and change is changes[0]:
                continue
            found = problems_of(changed(document, path, change), read)
            assert secret not in told(found)
            assert CANARY not in told(found)
            if path:
                assert any(isinstance(problem, SecretWritten) for problem in found), (path, found)


@pytest.mark.parametrize(("model", "document"), [(FloeSpec, FLOE), (PlatformSpec, PLATFORM)])
def test_a_secret_in_every_field_that_there_is_is_refused_and_in_no_message(
    model: type[FloeSpec | PlatformSpec], document: dict[str, Any]
) -> None:
    read = read_floe_spec if model is FloeSpec else read_platform_spec
    found = schema_places(model)
    assert len(found) > 80
    kinds = list(VALUES.values())
    for index, (path, _) in enumerate(found):
        secret = kinds[index % len(kinds)]
        problems = problems_of(merged(document, nested(path, secret)), read)
        assert any(isinstance(problem, SecretWritten) for problem in problems), path
        assert secret not in told(problems)
        assert secret[-12:] not in told(problems)
        if is_secret_name(str(path[-1])) or is_reference_name(str(path[-1])):
            assert f"{CANARY}!" not in told(problems_of(merged(document, nested(path, f"{CANARY}!")), read)), path


@pytest.mark.parametrize("model", [FloeSpec, PlatformSpec])
def test_no_field_of_a_text_is_named_like_a_secret(model: type[FloeSpec | PlatformSpec]) -> None:
    named = [(path, schema) for path, schema in schema_places(model) if is_secret_name(str(path[-1]))]
    assert model is FloeSpec or named
    assert [path for path, schema in named if "SecretRef" not in str(schema)] == []


@pytest.mark.parametrize("model", [FloeSpec, PlatformSpec])
def test_every_map_of_sections_is_known_to_have_names_for_keys(model: type[FloeSpec | PlatformSpec]) -> None:
    maps = {path[:-1]: schema for path, schema in schema_places(model) if path[-1] == "some"}
    sections = [path for path, schema in maps.items() if "$ref" in schema or "discriminator" in schema]
    patterns = {tuple("*" if part in (0, "some") else str(part) for part in path) for path in sections}
    assert {path for path in patterns if path[-1] != "byTier"} <= NAMED_MAPS


@pytest.mark.parametrize(
    ("key", "value", "refused"),
    [
        ("password", "hunter2-canary", True),
        ("dbPassword", "hunter2-canary", True),
        ("client_secret", ["hunter2-canary"], True),
        ("api-key", {"value": "hunter2-canary"}, True),
        ("AWS_SECRET_ACCESS_KEY", "hunter2-canary", True),
        ("accessKeyId", "hunter2-canary", True),
        ("connection_string", "hunter2-canary", True),
        ("token", {"secretRef": "hunter2-canary", "value": "x"}, True),
        ("clientsecret", "hunter2-canary", True),
        ("credential", "client:hunter2-canary", True),
        ("header.Authorization", "hunter2-canary", True),
        ("token_count", "3", False),
        ("tokens", "3", False),
        ("password_policy", "strict", False),
        ("show_password", "false", False),
        ("password", None, False),
        ("secret", "", False),
        ("private_key_path", "/run/key.p8", False),
        ("primary_key", "id", False),
    ],
)
def test_a_key_that_is_named_like_a_secret_may_hold_no_literal(key: str, value: Any, *, refused: bool) -> None:
    document = FLOE | {"observability": {"attributes": {key: value}}}
    try:
        read_floe_spec(yaml.safe_dump(document))
        problems: tuple[FloeError, ...] = ()
    except DocumentInvalid as error:
        problems = error.problems
    assert any(isinstance(problem, SecretWritten) for problem in problems) == refused
    assert CANARY not in told(problems)


def test_a_reference_is_no_secret_and_a_model_may_be_called_like_one() -> None:
    platform = PLATFORM | {
        "compute": {
            "d": {
                "type": "postgres",
                "host": "db",
                "user": {"secretRef": "db-user"},
                "password": {"secretRef": "db-password"},
                "database": "floe",
                "schema": "main",
            }
        }
    }
    read_platform_spec(yaml.safe_dump(platform))
    transform = {"type": "dbt", "path": "dbt", "models": {"reset_token": {"tier": "gold"}}}
    ports = [{"name": "logins", "schema": [{"name": "password", "type": "text"}]}]
    read_floe_spec(yaml.safe_dump(FLOE | {"transforms": [transform], "outputPorts": ports}))


def test_a_secret_written_where_its_name_belongs_is_refused_where_it_shows() -> None:
    random_text = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=40))  # noqa: S311  # the same in every run
    assert looks_random(random_text)
    destination = {"name": "crm", "type": "http", "models": ["orders"], "secretRef": random_text}
    (problem,) = problems_of(FLOE | {"destinations": [destination]}, read_floe_spec)
    assert isinstance(problem, SecretWritten)
    assert random_text not in told((problem,))
    options = destination | {"secretRef": "crm", "options": {"auth": random_text}}
    (problem,) = problems_of(FLOE | {"destinations": [options]}, read_floe_spec)
    assert isinstance(problem, SecretWritten)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "arn:aws:iam::123456789012:role/FloeStorageRole",
        "http://polaris:8181/api/catalog@main",
        "https://[::1]:8181/a",
        "git@github.com:organisation/repository.git",
        "thrift://metastore:9083",
        "Customers that asked for a new password: see the token page.",
        "Basic customer-information-table, and a bearer of information",
        "0 6 * * *",
        "PRINCIPAL_ROLE:DATA_ENGINEER",
        "s3://bucket/warehouse/very/long/path/with/many/parts/and/Mixed/Case/Letters/2024",
    ],
)
def test_what_is_no_secret_is_not_taken_for_one(text: str) -> None:
    assert not is_secret_value(text)
    document = FLOE | {"observability": {"attributes": {"of": text}}}
    assert read_floe_spec(yaml.safe_dump(document)).observability.attributes == {"of": text}


@pytest.mark.parametrize(
    "template", ["{{ env_var('X') }}", "{% if x %}", "{# remark #}", "a{{", "dbt_{{ target.name }}"]
)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_template_is_refused_in_values_and_keys(template: str, name: str) -> None:
    document, read = DOCUMENTS[name]
    section = "metadata" if "metadata" in document else next(iter(document))
    for change in (template, {template: "x"}, ["x", template]):
        found = problems_of(document | {section: change}, read)
        (problem,) = [problem for problem in found if isinstance(problem, TemplateWritten)]
        assert problem.code == "FLOE-SPEC-007"
        assert problem.where is not None
        assert problem.where.line is not None


def test_a_template_is_refused_where_the_name_of_a_secret_belongs() -> None:
    destination = {"name": "crm", "type": "http", "models": ["orders"], "secretRef": "{{ env_var('X') }}"}
    (problem,) = problems_of(FLOE | {"destinations": [destination]}, read_floe_spec)
    assert isinstance(problem, TemplateWritten)


def test_problems_of_all_sorts_are_told_at_once_in_the_order_of_their_places() -> None:
    document = FLOE | {"owner": "me", "password": CANARY, "landing": {"select": "{{ x }}"}, "kindd": "x"}
    found = problems_of(document, read_floe_spec)
    assert [problem.code[-3:] for problem in found] == ["003", "006", "007", "003"]
    assert [problem.where and problem.where.path for problem in found] == [
        "owner",
        "password",
        "landing.select",
        "kindd",
    ]


def test_keys_that_stand_twice_and_tags_do_not_repeat_a_secret() -> None:
    secret = VALUES["access key of AWS"]
    for text in (f"{secret}: 1\n{secret}: 2\n", f"a: !{secret} x\n", f"a: *{secret}\n", f'a: "{secret}\n'):
        with pytest.raises(DocumentInvalid) as caught:
            read_floe_spec(text)
        assert secret not in told(caught.value.problems)


def test_what_holds_a_secret_is_not_shown() -> None:
    secret = VALUES["access key of AWS"]
    for value in (secret, [secret], {"a": {"b": secret}}, {secret: 1}, {"password": "x"}):
        assert shown(value) == "a value that is not shown"
    assert shown("hunter2", ("credentials", "password", "value")) == "a value that is not shown"
    assert shown("orders", ("metadata", "name")) == "'orders'"
    assert redacted(f"before {secret} after") == "before \N{HORIZONTAL ELLIPSIS} after"


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert is_secret_value(text) == (redacted(text) != text)
    assert isinstance(is_secret_name(text), bool)


@pytest.mark.parametrize(
    "piece",
    [
        "://",
        "://a:",
        "://:x",
        "eyJ",
        "eyJaaaaaaaa.",
        "password=",
        "bearer ",
        "xoxb-",
        "a" * 9 + ".",
        "AKIA",
        "sk-",
        "S" * 7,
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 256_000)[:256_000]
    assert millions(lambda: (is_secret_value(text), looks_random(text))) < 25
