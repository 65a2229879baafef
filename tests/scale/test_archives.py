"""Archives of rotated captures: read in passing, harmless whatever they claim."""

from __future__ import annotations

import gzip
import io
import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.places import SAMPLES
from support.rows import facts, row_dicts

import classifier
from classifier.errors import CaptureError, ExitStatus
from classifier.sources import archives

OFFICE, HANDSHAKES = SAMPLES / "office.pcapng", SAMPLES / "handshakes.pcap"
MEMBERS = {"a/office.pcapng": OFFICE.read_bytes(), "b.pcap.gz": gzip.compress(HANDSHAKES.read_bytes())}
KINDS = ["x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz", "x.zip"]


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    kind = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz", ".tar": ""}[path.suffix]
    with tarfile.open(path, f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            add(archive, name, data)
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **about: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for attribute, value in about.items():
        setattr(member, attribute, value)
    archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("name", KINDS)
def test_all_kinds(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / name, {**MEMBERS, "notes.txt": b"no capture"})
    traffic = classifier.read(path)
    assert facts(traffic) == facts(classifier.read([OFFICE, HANDSHAKES]))
    assert {row["capture"] for row in row_dicts(traffic)} == {f"{path}:{name}" for name in MEMBERS}
    assert traffic.remarks == [f"{path}: skipped files without a capture's extension: notes.txt"]
    assert sorted(tmp_path.iterdir()) == [path]  # nothing was unpacked
    assert facts(classifier.read([tmp_path, HANDSHAKES], jobs=2)) == facts(
        classifier.read([OFFICE, HANDSHAKES, io.BytesIO(HANDSHAKES.read_bytes())])
    )


def test_members_are_pieces_of_one_capture(tmp_path: Path) -> None:
    data = HANDSHAKES.read_bytes()
    path = pack(tmp_path / "x.tar", {"2.pcap": data, "1.pcap": data[:1000]})
    traffic = classifier.read(path)
    assert [problem.file for problem in traffic.problems] == [f"{path}:1.pcap"]
    assert traffic.status == ExitStatus.PARTIAL


TRICKS = ["../../etc/evil.pcap", "/etc/evil.pcap", "a/../../b.pcap", "c:\\x.pcap", "\x1b[31m.pcap"]


@pytest.mark.parametrize("name", TRICKS, ids=ascii)
@pytest.mark.parametrize("kind", ["x.tar", "x.zip"])
def test_names_are_only_shown(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = pack(tmp_path / "in" / kind, {name: OFFICE.read_bytes()})
    traffic = classifier.read(path)
    assert facts(traffic) == facts(classifier.read(OFFICE))
    assert [file.name for file in tmp_path.rglob("*")] == ["in", kind]
    # Nor is a file of that name opened later: the packets of a flow can't be shown again.
    assert traffic.explain(row_dicts(traffic)[0]["flow_id"])["ladder"] is None


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            add(archive, f"{number}.pcap", type=kind, linkname=str(OFFICE))
        add(archive, "good.pcap", HANDSHAKES.read_bytes())
    traffic = classifier.read(path)
    assert facts(traffic) == facts(classifier.read(HANDSHAKES))
    assert "0.pcap, 1.pcap, 2.pcap and 1 more" in traffic.remarks[0]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        link = zipfile.ZipInfo("link.pcap")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, str(OFFICE))
    with pytest.raises(CaptureError, match=r"no files with a capture's extension, only link\.pcap"):
        classifier.read(tmp_path / "x.zip")


def header_bomb(claimed: int) -> bytes:
    """Return a gzipped tar whose only header is an extended one of `size` zeros."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, claimed
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        file.write(member.tobuf())
        for _ in range(claimed >> 20):
            file.write(bytes(1 << 20))
    return packed.getvalue()


def test_a_header_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(header_bomb(200 << 20))
    assert path.stat().st_size < 1 << 20
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CaptureError, match="a header claims 209,715,200 bytes"):
        classifier.read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100 << 10


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_a_bomb_of_zeros_takes_no_memory(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / name, {"zeros.pcap": bytes(200 << 20), "good.pcap": HANDSHAKES.read_bytes()})
    assert path.stat().st_size < 1 << 20
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    traffic = classifier.read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100 << 10
    assert facts(traffic) == facts(classifier.read(HANDSHAKES))
    assert [problem.file for problem in traffic.problems] == [f"{path}:zeros.pcap"]


def test_many_members_take_no_memory(tmp_path: Path) -> None:
    """tarfile would hold each."""
    held: list[int] = []
    seen: Callable[..., object] = tarfile.TarFile.next

    def next_(self: tarfile.TarFile) -> object:
        held.append(len(self.members))  # type: ignore[attr-defined]
        return seen(self)

    path = pack(tmp_path / "x.tar", {f"{number}.txt": b"" for number in range(500)} | MEMBERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tarfile.TarFile, "next", next_)
        classifier.read(path)
    assert len(held) > 500 and max(held) <= 1


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_archive_is_told(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / name, {**MEMBERS, "c.pcap": HANDSHAKES.read_bytes()})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    traffic = classifier.read([path, OFFICE])
    assert traffic.status == ExitStatus.PARTIAL
    assert traffic.problems and all(problem.file.startswith(str(path)) for problem in traffic.problems)


def test_a_header_damaged_further_on_is_no_end(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar", MEMBERS)
    data = bytearray(path.read_bytes())
    data[data.index(b"b.pcap.gz")] ^= 0xFF
    path.write_bytes(data)
    traffic = classifier.read(path)
    assert facts(traffic) == facts(classifier.read(OFFICE))
    assert "can't be read as an archive (corrupt before byte " in str(traffic.problems[0])


def test_what_only_calls_itself_an_archive(tmp_path: Path) -> None:
    for name in KINDS:
        (tmp_path / name).write_bytes(HANDSHAKES.read_bytes())
        with pytest.raises(CaptureError, match="can't be read as an archive") as raised:
            classifier.read(tmp_path / name)
        assert raised.value.status == ExitStatus.NOT_A_CAPTURE


def test_a_limit_of_headers_leaves_room_for_long_names(tmp_path: Path) -> None:
    name = "x" * 5000 + ".pcap"
    assert len(name) < archives.MOST_HEADER_BYTES
    assert facts(classifier.read(pack(tmp_path / "x.tar", {name: OFFICE.read_bytes()}))) == facts(
        classifier.read(OFFICE)
    )
