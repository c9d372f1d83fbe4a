"""Secrets and templates in documents: neither may stand there, and no message repeats a secret (DESIGN section 9).

A key that is named like a secret (`password`, `client_secret`) may hold a reference, `{secretRef: name}`, and nothing
else. A value that has the form of a secret (an access key, a private key, an address with a password in it) is refused
wherever it stands. Jinja is refused everywhere: floe.yaml and platform.yaml are data, dbt's own files are templates.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from floe_contracts.documents.yaml_tree import Path, Tree
from floe_contracts.errors import FloeError, Permanent, Where

NAMED_MAPS: Final = frozenset(
    {
        ("compute",),
        ("storage",),
        ("catalogs",),
        ("layers",),
        ("environments",),
        ("environments", "*", "profiles"),
        ("environments", "*", "policies"),
        ("observability", "lineage"),
        ("transforms", "*", "models"),
        ("orchestration", "*"),
        ("governance", "policies"),
        ("resource_presets",),
    }
)
"""Maps whose keys are names that people choose, of sections; * is any one key or index. A dbt model may be called
`reset_token`."""
FREE_MAPS: Final = frozenset(
    {
        *("labels", "attributes", "options", "properties", "parameters", "config"),
        *("sessionProperties", "serverSideParameters"),
    }
)
"""Maps of texts that are passed on as they are; random-looking texts are refused there."""
_SECRET_WORDS: Final = frozenset(
    {
        *("password", "passwd", "pwd", "pass", "passphrase", "passcode", "secret", "token", "apikey", "bearer"),
        *("authorization", "credential", "jwt", "cookie"),
    }
)
_SECRET_ENDINGS: Final = (
    *("password", "passwd", "clientsecret", "secretkey", "accesskey", "privatekey", "authtoken", "accesstoken"),
    *("apitoken", "apikey"),
)
"""Of words that are written together, as in `dbpassword`."""
_SECRET_PAIRS: Final = frozenset(
    {
        ("api", "key"),
        ("access", "key"),
        ("secret", "key"),
        ("private", "key"),
        ("account", "key"),
        ("signing", "key"),
        ("encryption", "key"),
        ("key", "id"),
        ("keyfile", "json"),
        ("connection", "string"),
    }
)
_FLAGS: Final = frozenset({"true", "false"})
_REFERENCE: Final = frozenset({"secretRef", "secret_ref"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_EDGE: Final = r"(?<![A-Za-z0-9_+/-])"
SECRET_VALUE: Final = re.compile(
    "|".join(
        (
            _EDGE + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
            _EDGE + r"(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{20,255})",
            _EDGE + r"xox[abeoprs]-[A-Za-z0-9-]{10,255}",
            r"hooks\.slack\.com/services/[A-Za-z0-9/]{10,255}",
            _EDGE + r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,255}",
            _EDGE + r"sk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_]{20,255}",
            _EDGE + r"AIza[A-Za-z0-9_-]{35}",
            _EDGE + r"(?:npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{16,255}|dapi[0-9a-f]{32})",
            _EDGE + r"(?:hf_[A-Za-z0-9]{30,255}|GOCSPX-[A-Za-z0-9_-]{16,255}|ya29\.[A-Za-z0-9_-]{20,2000})",
            _EDGE + r"(?:dckr_pat_[A-Za-z0-9_-]{20,255}|do[opr]_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})",
            _EDGE + r"(?:SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}|ATATT3[A-Za-z0-9_=-]{16,255})",
            _EDGE + r"hv[sb]\.[A-Za-z0-9_-]{20,255}",
            _EDGE + r"S[UOANCX][A-Z2-7]{56}(?![A-Za-z0-9])",
            _EDGE + r"AGE-SECRET-KEY-1[A-Z0-9]{20,255}",
            r"(?s:-----BEGIN [A-Z ]{0,30}PRIVATE KEY.*)",
            _EDGE + r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}(?:\.[A-Za-z0-9_-]{0,2000})?",
            r"(?i:(?:bearer|basic)[ ]{1,4}(?=[A-Za-z+/._=-]{0,200}[0-9])[A-Za-z0-9+/._=-]{16,2000})",
            r"://[^/\s:@?#]{0,64}:(?![0-9]{1,5}(?:[/?#]|$))[^\s@]{1,128}@",
            r"(?i:(?:password|passwd|pwd|accountkey|accesskey|secret|token|api_?key) ?= ?[^\s;&'\"]{3,255})",
            r"[?&]sig=[^\s;&'\"]{3,255}",
        )
    )
)
"""Texts of the form of a secret. Every repetition is bounded or begins at an edge, so that no text takes long."""
_LONG: Final = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")
_PART: Final = 16
_RANDOM_BITS: Final = 4.2
"""Bits a character from which on a long text of mixed characters counts as random; English words have under 3.5."""
_JINJA: Final = ("{{", "{%", "{#")
_HIDDEN: Final = "a value that is not shown"


class SecretWritten(Permanent):
    """A document holds what is, or looks like, a secret."""

    code = "FLOE-SPEC-006"
    title = "A secret is written in a document"


class TemplateWritten(Permanent):
    """A document holds a template."""

    code = "FLOE-SPEC-007"
    title = "A template is written in a document"


@dataclass(frozen=True, slots=True)
class _Finding:
    """Something that may not stand in a document.

    Attributes:
        path: the field, whose own key is left out where it is the key that may not be shown.
        key: path of the key or value itself.
        kind: what it is.
    """

    path: Path
    key: Path
    kind: Literal["secret key", "secret value", "template"]


def refused_texts(tree: Tree) -> list[FloeError]:
    """A problem for every secret and every template in a document, in the order of their places."""
    return [_problem(tree, finding) for finding in _findings(tree.value, ())]


def is_secret_name(name: str) -> bool:
    """Whether a key is named like something whose value is a secret: `dbPassword`, `client_secret`, `api-key`."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words:
        return False
    if words[-2:] == ["key", "id"]:
        return words[-3:-2] == ["access"]
    last = words[-1]
    return last in _SECRET_WORDS or last.endswith(_SECRET_ENDINGS) or tuple(words[-2:]) in _SECRET_PAIRS


def is_reference_name(name: str) -> bool:
    """Whether a key holds the name of a secret: `secretRef`, `seedRef`, `connection_secret_ref`."""
    words = [word.lower() for word in _WORD.findall(name)]
    return words[-1:] == ["ref"]


def is_secret_value(text: str) -> bool:
    """Whether a text has the form of a secret."""
    return SECRET_VALUE.search(text) is not None


def looks_random(text: str) -> bool:
    """Whether a text holds a long run of mixed characters as only generated secrets have."""
    return any(_is_random(match.group()) for match in _LONG.finditer(text))


def redacted(text: str) -> str:
    """`text` with an ellipsis for everything that has the form of a secret."""
    return SECRET_VALUE.sub("\N{HORIZONTAL ELLIPSIS}", text)


def without_secrets(problems: Iterable[FloeError]) -> list[FloeError]:
    """The same problems; where one would repeat what has the form of a secret, an ellipsis stands instead."""
    return [_without_secrets(problem) for problem in problems]


def shown(value: Any, path: Path = ()) -> str:
    """A short form of the value at `path` for a message; a secret, and whatever holds one, is not shown."""
    return reprlib.repr(value) if may_be_shown(value, path) else _HIDDEN


def may_be_shown(value: Any, path: Path) -> bool:
    """Whether neither the place nor the form of a value says that it is a secret."""
    named = [part for part in path if isinstance(part, str)]
    if any(is_secret_name(name) for name in named) or (named and is_reference_name(named[-1])):
        return False
    return not _holds_secret(value)


def _without_secrets(problem: FloeError) -> FloeError:
    place = problem.where
    texts = (problem.message, problem.hint or "", (place and place.path) or "")
    if not any(map(is_secret_value, texts)):
        return problem
    message, hint, path = map(redacted, texts)
    where = Where(place.file, place.line, place.column, path or None) if place else None
    return type(problem)(message, where=where, hint=hint or None)


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(
            is_secret_value(str(key)) or is_secret_name(str(key)) or is_reference_name(str(key)) or _holds_secret(item)
            for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        return any(map(_holds_secret, value))
    return isinstance(value, str) and (is_secret_value(value) or looks_random(value))


def _is_random(text: str) -> bool:
    # The parts of a path are words; a key that happens to hold a slash still has a long part without any.
    longest = max(text.split("/"), key=len)
    classes = (str.islower, str.isupper, str.isdigit)
    if len(longest) < _PART or not all(any(map(belongs, longest)) for belongs in classes):
        return False
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values()) >= _RANDOM_BITS


def _findings(value: Any, path: Path) -> Iterator[_Finding]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _key_findings(path, key, item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _findings(item, (*path, index))
    elif isinstance(value, str):
        if any(mark in value for mark in _JINJA):
            yield _Finding(path, path, "template")
        if is_secret_value(value) or (_is_passed_on(path) and looks_random(value)):
            yield _Finding(path, path, "secret value")


def _key_findings(path: Path, key: str, item: Any) -> Iterator[_Finding]:
    below = (*path, key)
    if any(mark in key for mark in _JINJA):
        yield _Finding(below, below, "template")
    if is_secret_value(key):
        yield _Finding(path, below, "secret value")
    if is_secret_name(key) and _is_literal(item, path):
        yield _Finding(below, below, "secret key")
    else:
        yield from _findings(item, below)


def _is_literal(item: Any, path: Path) -> bool:
    """Whether what stands at a key that is named like a secret is anything but a reference, a flag or nothing."""
    if isinstance(item, dict):
        return not (item and item.keys() <= _REFERENCE) and not _is_named_map(path)
    return bool(item) and not (isinstance(item, str) and item.lower() in _FLAGS)


def _is_named_map(path: Path) -> bool:
    return any(
        len(path) == len(pattern) and all(one in ("*", part) for one, part in zip(pattern, path, strict=True))
        for pattern in NAMED_MAPS
    )


def _is_passed_on(path: Path) -> bool:
    named = [part for part in path if isinstance(part, str)]
    return bool(named) and (is_reference_name(named[-1]) or any(name in FREE_MAPS for name in named[:-1]))


def _problem(tree: Tree, finding: _Finding) -> FloeError:
    place = tree.where(finding.key)
    where = Where(tree.file, place.line, place.column, redacted(".".join(map(str, finding.path))) or None)
    if finding.kind == "template":
        return TemplateWritten(
            "a template stands here, and nothing fills it in",
            where=where,
            hint="write the value; what differs between environments stands in platform.yaml",
        )
    what = "this key is named like a secret" if finding.kind == "secret key" else "this has the form of a secret"
    return SecretWritten(
        f"{what}, and no secret may stand in a document",
        where=where,
        hint="name the secret instead, as in `secretRef: my-secret`, where the field takes a reference; "
        "if it was a real one, replace it",
    )
