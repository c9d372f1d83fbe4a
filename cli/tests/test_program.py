"""How the process of a command ends."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

PROGRAM: Final = """\
import asyncio, atexit, click, obstore, sys, threading
from floe_cli import main
from floe_cli.program import program

@click.command()
def probe():
{body}

main._COMMANDS["probe"] = ("__main__:probe", "")
program()
"""
# Coroutines of the blob store, which its own threads go on with after the command has returned.
LEAVE_SOME: Final = """
async def leave_some():
    store = obstore.store.MemoryStore()
    for number in range(3000):
        obstore.put_async(store, str(number), b"x")

loop = asyncio.new_event_loop()
loop.run_until_complete(leave_some())
return 2
"""
SAY_SOME: Final = """
atexit.register(print, "registered")
print("said")
print("told", file=sys.stderr)
return 3
"""
START_A_THREAD: Final = """
threading.Timer(0.2, print, ["finished"]).start()
return 0
"""


def ended(body: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """A process of `floe` with one more command, which does this."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=textwrap.indent(body, "    ")), "probe"],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


def test_native_threads_that_are_late_do_not_abort_the_process() -> None:
    codes = [ended(LEAVE_SOME).returncode for _ in range(5)]  # some two of five abort where they can
    assert codes == [2] * 5


def test_what_was_said_and_registered_comes_before_the_end() -> None:
    done = ended(SAY_SOME)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\nregistered\n", "told\n")


def test_threads_that_are_not_daemons_are_waited_for() -> None:
    done = ended(START_A_THREAD)
    assert (done.returncode, done.stdout, done.stderr) == (0, "finished\n", "")


def test_output_that_cannot_be_written_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = ended("print('lost')\nreturn 0", full.fileno())
    assert done.returncode == 120
    assert "No space left on device" in done.stderr
