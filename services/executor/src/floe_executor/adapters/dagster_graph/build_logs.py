"""What dbt and Python said while they built, where Dagster's UI looks for a step's output."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Self

from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import touch_file


class BuildLogManager(LocalComputeLogManager):
    """Files of the lines of each build.

    Dagster's own manager would redirect the output of the whole process: that of all services, in the embedded stack.
    """

    def __init__(
        self, base_dir: str, polling_timeout: float | None = None, inst_data: ConfigurableClassData | None = None
    ):
        super().__init__(base_dir, polling_timeout, inst_data)
        self._files: dict[str, IO[str]] = {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """What Dagster calls for the class that dagster.yaml names; the parent would make one of itself."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Open the file of a run's step; `write` writes to it meanwhile."""
        with self.open_log_stream(log_key, ComputeIOType.STDOUT) as file:
            if file is not None:
                self._files[log_key[0]] = file
            try:
                yield CapturedLogContext(log_key)
            finally:
                self._files.pop(log_key[0], None)
        touch_file(self.complete_artifact_path(log_key))  # type: ignore[no-untyped-call]

    def write(self, run_id: str, lines: Sequence[str]) -> None:
        """Add lines to the file of the run's step, if one is open."""
        file = self._files.get(run_id)
        if file is not None:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
