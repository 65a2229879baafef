"""The border to the core: every Rust name that Python may use.

The core turns a capture into record batches of flow facts. It never says who is the server.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, TypeAlias, final

from classifier.metering.options import MeterOptions

__all__ = [
    "Batch",
    "Live",
    "MeterError",
    "Reader",
    "Signatures",
    "community_ids",
    "join",
    "join_remnants",
    "live_socket",
    "live_stream",
    "packets",
    "read",
    "stitch",
]

_Described: TypeAlias = tuple[str, int, str, str | None]

class MeterError(Exception):
    """An input that can't be opened as a capture.

    `args` is `(kind, offset, message, remedy)`: `kind` is `empty`, `not_a_capture`, `unsupported`, `cut`,
    `damaged` or `io`; `offset` the byte of the uncompressed stream where the trouble begins; `remedy`
    a value of `Remedy`, or None.
    """

@final
class Batch:
    """A record batch: `pyarrow.record_batch(batch)` takes it over without a copy."""

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        """Hand over the data by the Arrow PyCapsule interface."""

@final
class Reader(Iterator[Batch]):
    """Meters a capture step by step, with the GIL released.

    Each step ends with a batch, or without one after some 260,000 packets or a tenth of a second: then the
    batch is empty. The last batches have the flows still active at the end. The counters are complete then.
    """

    def __iter__(self) -> Reader: ...
    def __next__(self) -> Batch:
        """Return the flows that ended in the next step; an exception of a Python source passes through."""
    def stop(self) -> None:
        """Read no further; the flows of what was read follow."""
    @property
    def format(self) -> str:
        """`pcap` or `pcapng`."""
    @property
    def compression(self) -> str | None:
        """`gzip`, `zstd`, `lz4`, or None."""
    @property
    def bytes_read(self) -> int:
        """Bytes taken from the source, compressed as they are."""
    @property
    def packets(self) -> int:
        """Packets read."""
    @property
    def counters(self) -> dict[str, Any]:
        """The fields of `Counters`."""
    @property
    def dns_names(self) -> Batch | None:
        """Return the latest name that DNS answers gave to each address; None unless they were asked for.

        Columns: `addr` (16 bytes, IPv4 mapped), `name`, and `time_ns`, the time of the answer.
        """
    @property
    def remnants(self) -> Batch:
        """What fragments in other pieces of the capture need, and those that waited in vain for a header.

        For `join_remnants`; of datagrams within 60 s of the first fragment or the last, 8,192 rows each.
        """
    @property
    def problem(self) -> _Described | None:
        """Why the input could not be read to its end, as in `MeterError.args`."""

#: Transports (IP protocol numbers), ports of which one end must have one, patterns of which one must match,
#: conditions that must all hold, precedence (the lowest wins), what to read from the message, and whether it
#: settles what its sender speaks, so that only one more packet is looked at.
_Rule: TypeAlias = tuple[list[int], list[int], list[str], list[str], int, str | None, bool]

@final
class Signatures:
    """Signatures, compiled: how the first bytes of messages look. Notation: rules/README.md."""

    def __new__(cls, rules: list[_Rule]) -> Signatures:
        """Compile rules; ValueError has the place of a wrong one, and the reason."""
    def find(
        self, proto: int, ports: tuple[int, int], payload: bytes, payload_bytes: int | None = None
    ) -> int | None:
        """Return the number of the signature that a payload bears, counted from 0.

        `payload_bytes` is its length on the wire, where less was captured.
        """

def read(
    source: str | BinaryIO,
    signatures: Signatures,
    options: MeterOptions,
) -> Reader:
    """Open a capture, given as a path or an open binary file, and look for signatures in its payloads.

    At most `max_flows` are active at a time, a sixteenth of them (rounded up) in each part of the key space:
    past that, the longest-idle flows end early. Without `decapsulate` tunnels over IP stay closed, and a flow
    is that of the outer packet. With `dedup` copies that a mirror port made of packets are left out of the
    flows. `verify_checksums` counts wrong ones. `dns_names` collects the names in DNS answers, in a second
    look at each packet. Small files, open ones, and those with `dns_names` are metered by the calling thread;
    `block_bytes` makes any file a large one.

    Raises `MeterError`, or OSError where the path can't be opened.
    """

def packets(source: str, flow: Any, *, first_ns: int, last_ns: int, most: int, decapsulate: bool) -> Batch:
    """Return the first packets of a flow in a capture file, one row each, in the order of the capture.

    `flow` is a batch of one row of flow facts: the columns of the key, `vlan`, `network_id` and `across`.
    Of its packets those are returned that lie between two times, and no more than `most`. Columns:
    `time_ns`, `from_b`, `flags` (the control bits; null for UDP), `payload_bytes`, and `icmp_error`: not a
    packet of the flow, but an ICMP error about one that came from the end that `from_b` tells. Fragments are
    left out.

    Raises `MeterError`, or OSError where the path can't be opened.
    """

@final
class Live:
    """Meters a source that doesn't end, in a thread of its own."""

    def window(self) -> tuple[Batch, Batch]:
        """Return the flows that ended since the last call, and copies of active ones with a packet since."""
    def finish(self) -> tuple[Batch, bool]:
        """Return the next of the flows still active, as ended, and whether they are the last.

        Call it after `stop` or the end of the source, until it says so.
        """
    def stop(self) -> None:
        """Stop reading packets."""
    @property
    def ended(self) -> bool:
        """The source has ended, or can't be read on."""
    @property
    def problem(self) -> _Described | None:
        """Why the source can't be read (on), as in `MeterError.args`."""
    @property
    def keep_problem(self) -> str | None:
        """Why packets are no longer kept; metering goes on."""
    @property
    def counters(self) -> dict[str, Any]:
        """The fields of `Counters`."""
    @property
    def active_flows(self) -> int:
        """How many flows are active."""

def live_stream(
    descriptor: int, signatures: Signatures, options: MeterOptions, *, keep: int | None = None
) -> Live:
    """Meter a stream in a capture format: a pipe. Not on Windows.

    The file descriptor is taken over: pass what `detach()` returned; so is `keep`, of a file to which the
    metered packets are written as pcapng. Trouble, also with the first bytes, shows in `Live.problem`.
    """

def live_socket(
    descriptor: int,
    signatures: Signatures,
    options: MeterOptions,
    *,
    link_type: int,
    loopback: int,
    snap_bytes: int,
    keep: int | None = None,
) -> Live:
    """Meter a bound packet socket (Linux) whose packets begin with the header of a LINKTYPE_ number.

    113 is for `SOCK_DGRAM`, whose packets have no link header. The socket's options should include a receive
    timeout, so that `stop` is noticed, timestamps of nanoseconds, and auxiliary data, which tell VLAN tags.
    `loopback` is the number of the loopback interface, whose packets on their way out are left out: it shows
    them again. File descriptors are taken over, as by `live_stream`.
    """

def stitch(batch: Any, *, tcp_idle_ns: int, udp_idle_ns: int, past_idle: bool = True) -> tuple[Batch, Batch]:
    """Join rows of one flow that were metered apart.

    `batch` has the columns of the flow facts, its rows in the order of the capture. Returns the
    joined rows, and a batch with one column `group`: for each input row the joined row it is in.
    Without `past_idle` what continues after the idle time is a row of its own.
    """

def join(batch: Any, *, tcp_idle_ns: int, udp_idle_ns: int) -> tuple[Batch, Batch]:
    """Do what `stitch` does where more rows of these keys are still to come: only what those can't change."""

def join_remnants(
    remnants: list[Any], *, tcp_idle_ns: int, udp_idle_ns: int
) -> list[tuple[Batch, list[str]]]:
    """Find the headers of fragments that waited in vain, piece by piece, in the other pieces.

    `remnants` has those of each piece. Returns for each the rows of fragments whose header was found, and the
    reason of each fragment that has no ports; both were counted as `later_fragment`.
    """

def community_ids(batch: Any) -> Batch:
    """Community ID v1 of each row of flow facts, as a batch with one column `community_id`."""
