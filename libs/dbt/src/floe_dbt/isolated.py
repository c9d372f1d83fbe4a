"""Runs a module that runs somebody else's code: `python -m floe_dbt.isolated MODULE`.

The process gives up what `child_isolation` says before it imports anything of the module: threads that an import starts
would otherwise stay outside. On other systems than Linux the module just runs.
"""

from __future__ import annotations

import runpy
import sys

from floe_dbt.child_isolation import isolate

if __name__ == "__main__":
    module = sys.argv.pop(1)
    if sys.platform == "linux":
        isolate()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
