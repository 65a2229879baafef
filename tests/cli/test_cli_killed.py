"""What a sudden end leaves behind: of the program, and of the room on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from launching import HANDSHAKES, OFFICE, finish, start, wait_until_idle

from classifier.cli import main
from classifier.errors import ExitStatus
from classifier.flows import spool

FULL = Path("/dev/full")


def test_killed_it_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "flows.csv"
    target.write_text("as it was")
    process = start("flows", "-", "-o", target)
    assert process.stdin
    process.stdin.write(HANDSHAKES.read_bytes()[:-1])
    process.stdin.flush()
    wait_until_idle(process, process.stdin)
    process.kill()
    assert finish(process).status < 0
    assert target.read_text() == "as it was"
    others = [path for path in tmp_path.iterdir() if path != target]
    assert [path.suffix for path in others] == [".part"]


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As if no flow had room in memory.
    made = spool.Spool.__init__
    monkeypatch.setattr(spool.Spool, "__init__", lambda self, *_: made(self, 0))
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: FULL.open("r+b", buffering=0))
    monkeypatch.setattr("sys.argv", ["classifier", "flows", str(OFFICE)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == ExitStatus.NOT_WRITTEN
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("classifier: ") and line.endswith(": No space left on device")
