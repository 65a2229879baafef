"""Compares what two builds of the program write, for every command and format.

python benchmarks/same_output.py BEFORE/bin/python AFTER/bin/python samples ../captures

BEFORE and AFTER are interpreters with one build each. Text, CSV, JSON, HTML and Zeek logs must agree byte
for byte, Parquet and Arrow files by schema, values and order. `--fault` changes what AFTER writes: the
comparison must then fail. AFTER runs with each --memory and --jobs, BEFORE with its defaults.
"""

import argparse
import contextlib
import getpass
import hashlib
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

GROUPS = ("service", "server", "client", "port", "vlan", "capture", "category")
#: Commands that cover every number; the others repeat them in further formats.
NUMBERS = (
    *(("report", "--format", "json"), ("report", "--top", "3"), ("flows", "-o", "F.parquet")),
    *(("servers", "--format", "csv"), ("report", "--interval", "0.1s", "--format", "csv")),
    *(("report", "--by", group, "--format", "csv") for group in GROUPS),
)
FORMATS = (
    *(
        (command, "--format", kind)
        for command in ("flows", "servers")
        for kind in ("zeek", "zeek-json", "csv")
    ),
    *(
        (command, "-o", f"F.{kind}")
        for command in ("report", "servers", "flows")
        for kind in ("parquet", "arrow")
    ),
    *(("report",), ("flows",), ("servers",), ("flows", "--format", "jsonl"), ("report", "--format", "csv")),
    *(("report", "--html", "F.html"), ("report", "--interval", "1s"), ("servers", "--top", "2")),
    *(("report", "--by", group, "--top", "2") for group in GROUPS),
    ("report", "--where", "server_port < 1024 and role != 'ambiguous'", "--format", "json"),
    ("report", "--by", "server", "--net", "10.0.0.0/8", "--format", "json"),
    ("flows", "--dedup", "--format", "csv"),
)
#: One window, with the privileges that we have.
LIVE = ("live", "-", "--format", "jsonl", "--window", "1h", "--user", getpass.getuser())
#: What depends on the clock on the wall.
CLOCK = re.compile(rb'"(bytes_per_s|window_s|rate)": [0-9.e+]+')
Job = tuple[str, list[str]]


def main() -> None:
    """Compare, and exit with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", help="interpreter of the first build, or what --save has written")
    parser.add_argument("after", help="interpreter of the second build")
    parser.add_argument("captures", nargs="+", type=Path, help="captures, and folders of them")
    parser.add_argument("--memory", action="append", help="also with this --memory")
    parser.add_argument("--jobs", action="append", help="also with these --jobs")
    parser.add_argument(
        "--formats", type=int, default=1, metavar="N", help="all formats of every Nth capture; 0: none"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth capture")
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="keep what BEFORE writes, as digests")
    parser.add_argument("--fault", action="store_true", help="plant a fault, which must be found")
    found = parser.parse_args()
    paths = [path.resolve() for path in captures(found.captures)]
    jobs = list(commands(paths[:: found.every], found.formats))
    if found.before.endswith(".json"):
        before = json.loads(Path(found.before).read_text())
    else:
        before = outputs(os.path.abspath(found.before), jobs, [])
    if found.save:
        found.save.write_text(json.dumps(before))
    pairs = itertools.product(found.memory or [None], found.jobs or [None])
    differences = 0
    for memory, threads in pairs:
        options = [*(["--memory", memory] if memory else []), *(["--jobs", threads] if threads else [])]
        after = outputs(os.path.abspath(found.after), jobs, options)
        if found.fault:
            name = sorted(after)[len(after) // 2]
            after[name] = after[name] | {"output": "fault"}
        wrong = [name for name in before if before[name] != after.get(name)]
        print(f"{' '.join(options) or 'defaults'}: {len(before)} outputs, {len(wrong)} differ")
        for name in wrong[:40]:
            print(f"  {name}\n    {before[name]}\n    {after.get(name)}")
        differences += len(wrong)
    sys.exit(bool(differences) != found.fault)


def captures(paths: list[Path]) -> Iterator[Path]:
    """Yield the captures of files and folders, by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix in {".pcap", ".pcapng", ".cap"})
        else:
            yield path


def commands(paths: list[Path], every: int) -> Iterator[Job]:
    """Yield a name and the arguments of each run."""
    for number, path in enumerate(paths):
        all_of_it = bool(every) and number % every == 0
        chosen = (*NUMBERS, *FORMATS) if all_of_it else NUMBERS
        for arguments in chosen:
            yield f"{' '.join(arguments)} {path}", [*arguments, str(path)]
        if all_of_it:
            other = str(paths[(number + 1) % len(paths)])
            yield f"diff {path} {other}", ["diff", str(path), other, "--format", "json"]
            yield f"report {path} {other}", ["report", str(path), other, "--format", "json"]
            yield f"explain {path}", ["explain", str(path), "FLOW"]
            yield f"live - {path}", [*LIVE, "<", str(path)]


def outputs(python: str, jobs: list[Job], options: list[str]) -> dict[str, dict[str, object]]:
    """Run all commands in one process of a build; return what each wrote, as digests."""
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.json"
        task.write_text(json.dumps([[name, with_options(args, options)] for name, args in jobs]))
        environment = os.environ | {"COLUMNS": "160", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [python, "-P", __file__, "--work", str(task)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
    return {row["name"]: row | {"name": ""} for row in map(json.loads, done.stdout.splitlines())}


def with_options(arguments: list[str], options: list[str]) -> list[str]:
    """Add options to a command that reads captures."""
    return arguments if arguments[0] == "live" else [*arguments, *options]


def work(task: Path) -> None:
    """Run commands in this process, and print a line for each."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    results = os.fdopen(os.dup(1), "w")
    warnings.simplefilter("ignore")
    for name, arguments in json.loads(task.read_text()):
        print(json.dumps({"name": name} | run(arguments)), file=results, flush=True)


def run(arguments: list[str]) -> dict[str, object]:
    """Run one command; return its exit status and a digest of its output."""
    from classifier.cli import app

    if "FLOW" in arguments:
        arguments = [first_flow(arguments) if one == "FLOW" else one for one in arguments]
    file = next((Path(one) for one in arguments if one.startswith("F.")), None)
    if file:
        file.unlink(missing_ok=True)
    if "<" in arguments:
        at = arguments.index("<")
        with open(arguments[at + 1], "rb") as capture:
            os.dup2(capture.fileno(), 0)
        arguments = arguments[:at]
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(said):
        try:
            status = str(app.main(arguments, standalone_mode=False))
        except (Exception, SystemExit) as error:
            status = f"{type(error).__name__}: {error}"
    content = CLOCK.sub(b"", text.buffer.getvalue())  # type: ignore[attr-defined]
    output = [hashlib.sha256(content).hexdigest()[:16], len(content)]
    if file and file.exists():
        output += [digest(file)]
    return {"status": status, "output": output, "errors": said.getvalue()[-300:] if status != "0" else ""}


def first_flow(arguments: list[str]) -> str:
    """Return the id of the first flow of a capture."""
    import classifier

    try:
        flows = classifier.read(arguments[1]).to_arrow()["flow_id"]
        return str(flows[0]) if len(flows) else "10.0.0.1:1-10.0.0.2:2"
    except classifier.ClassifierError:
        return "10.0.0.1:1-10.0.0.2:2"


def digest(file: Path) -> str:
    """Return a digest of a file; of Parquet and Arrow files one of schema, values and order."""
    if file.suffix not in (".parquet", ".arrow"):
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    import pyarrow as pa
    from pyarrow import parquet

    with open(file, "rb") as source:
        table = (
            parquet.read_table(source) if file.suffix == ".parquet" else pa.ipc.open_file(source).read_all()
        )
    values = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in table.columns
    ]
    found = [table.schema.to_string(truncate_metadata=False), *(column.to_pylist() for column in values)]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]))
    else:
        main()
