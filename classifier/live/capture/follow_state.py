"""What another run needs to go on with a followed folder: which files were taken, and the open flows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from classifier.complete_file import complete_file
from classifier.errors import CaptureError, ExitStatus
from classifier.live.capture.capture_source import not_writable

#: Where in the file's schema all but the flows stands.
_SAID = b"classifier"


@dataclass
class State:
    """What another run needs to go on."""

    #: Size, time of change, and time of the first packet of each file that was taken and is still there.
    taken: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    #: Time of the latest packet of each series of files.
    ends_ns: dict[str, int] = field(default_factory=dict)
    #: Facts of the flows that may go on.
    flows: pa.Table | None = None

    def copy(self) -> State:
        """Return one that stays as it is; tables do anyway."""
        return State(dict(self.taken), dict(self.ends_ns), self.flows)

    def save(self, path: Path) -> None:
        """Write it; the file is replaced when it is complete."""
        said = json.dumps({"taken": self.taken, "ends_ns": self.ends_ns}).encode()
        table = self.flows if self.flows is not None else pa.table({})
        try:
            with complete_file(path) as part, pa.OSFile(str(part), "wb") as file:
                schema = table.schema.with_metadata({_SAID: said})
                with pa.ipc.new_file(file, schema) as writer:
                    writer.write_table(table.replace_schema_metadata({_SAID: said}))
        except OSError as error:
            raise not_writable(str(path), error) from error

    @staticmethod
    def load(path: Path) -> State:
        """Read it; where there is no file yet, nothing was taken."""
        try:
            with pa.OSFile(str(path)) as file:
                table = pa.ipc.open_file(file).read_all()
            said = json.loads(table.schema.metadata[_SAID])
            taken = {name: tuple(was) for name, was in said["taken"].items()}
            flows = table.replace_schema_metadata() if table.num_rows else None
            return State(taken, said["ends_ns"], flows)
        except FileNotFoundError:
            return State()
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            message = "is no state of `classifier live --follow`; name another file, or remove it"
            raise CaptureError(str(path), message, status=ExitStatus.NO_INPUT) from error
