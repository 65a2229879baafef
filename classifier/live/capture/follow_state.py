"""The state file of a followed folder: the files that were read, and the open flows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from classifier.complete_file import complete_file
from classifier.errors import CaptureError, ExitStatus
from classifier.live.capture.capture_source import not_writable

#: Key of the schema metadata that holds everything but the flows.
_HEADER = b"classifier"


@dataclass
class FollowState:
    """The state from which another run resumes."""

    #: Size, time of change, and time of the first packet of each file that was read and still exists.
    taken: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    #: Time of the latest packet of each series of files.
    ends_ns: dict[str, int] = field(default_factory=dict)
    #: Facts of the open flows.
    flows: pa.Table | None = None

    def copy(self) -> FollowState:
        """Return a copy; tables are immutable."""
        return FollowState(dict(self.taken), dict(self.ends_ns), self.flows)

    def save(self, path: Path) -> None:
        """Write it to a file, which is replaced when complete."""
        header = json.dumps({"taken": self.taken, "ends_ns": self.ends_ns}).encode()
        table = self.flows if self.flows is not None else pa.table({})
        try:
            with complete_file(path) as part, pa.OSFile(str(part), "wb") as file:
                schema = table.schema.with_metadata({_HEADER: header})
                with pa.ipc.new_file(file, schema) as writer:
                    writer.write_table(table.replace_schema_metadata({_HEADER: header}))
        except OSError as error:
            raise not_writable(str(path), error) from error

    @staticmethod
    def load(path: Path) -> FollowState:
        """Read it from a file; a missing file is the initial state."""
        try:
            with pa.OSFile(str(path)) as file:
                table = pa.ipc.open_file(file).read_all()
            header = json.loads(table.schema.metadata[_HEADER])
            taken = {name: tuple(was) for name, was in header["taken"].items()}
            flows = table.replace_schema_metadata() if table.num_rows else None
            return FollowState(taken, header["ends_ns"], flows)
        except FileNotFoundError:
            return FollowState()
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            message = "not a state file of `classifier live --follow`; name another file, or remove it"
            raise CaptureError(str(path), message, status=ExitStatus.NO_INPUT) from error
