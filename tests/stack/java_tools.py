"""Java and Maven, as this machine has them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

JAVA_VARIABLE: Final = "FLOE_STACK_JAVA"
"""Names a `java` for the servers alone. Maven runs by its own, which knows the certificates of this machine."""
_FETCHED_WITHIN: Final = 900.0
_ANSWERS_WITHIN: Final = 30.0
_MAVEN: Final = ("--batch-mode", "--quiet", "--strict-checksums")


class ToolMissing(Exception):
    """Java or Maven is not there."""


def find_java(least: int) -> Path:
    """A `java` of this major version or a later one.

    Raises:
        ToolMissing: there is none; the message says what was looked at.
    """
    looked_at = []
    for java in _candidates():
        version = _major_version(java)
        if version >= least:
            return java
        looked_at.append(f"{java} is {version or 'none'}")
    found = "; ".join(looked_at) or "there is no java on the PATH"
    raise ToolMissing(f"it needs Java {least}: {found}. `make test-stack` brings one, {JAVA_VARIABLE} names one")


def fetch(pom: Path, folder: Path) -> str:
    """Have Maven fetch what `pom` depends on into its own repository, checksums verified.

    Args:
        pom: a project's file.
        folder: where Maven may write.

    Returns:
        The class path.

    Raises:
        ToolMissing: there is no Maven.
        AssertionError: Maven cannot fetch it; the message is Maven's.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise ToolMissing("Maven fetches it, and there is no mvn on the PATH")
    output = folder / f"{pom.parent.name}.classpath"
    done = subprocess.run(
        [maven, *_MAVEN, "--file", str(pom), "dependency:build-classpath", f"-Dmdep.outputFile={output}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_FETCHED_WITHIN,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"Maven cannot fetch {pom.parent.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return output.read_text().strip()


def _candidates() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    for named in (os.environ.get(JAVA_VARIABLE), home and str(Path(home) / "bin" / "java"), shutil.which("java")):
        if named:
            yield Path(named)


def _major_version(java: Path) -> int:
    """Zero if it does not run."""
    try:
        done = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, timeout=_ANSWERS_WITHIN, check=False
        )
    except OSError:
        return 0
    told = re.search(r'version "(\d+)', done.stderr)
    return int(told.group(1)) if told else 0
