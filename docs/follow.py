"""Run the README, the tutorial and the pages on notebooks as a new user does, typed at the root of the clone.

    .venv/bin/python docs/follow.py     after the README's first command, before anything else is installed

`examples.py` compares what blocks print, in the environment of the tests. This runs them in the user's: a
plain `python` and `classifier` in the root of the clone, with the extras that the README names. Files that
blocks write there are removed.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import examples
from program import REPOSITORY

PAGES = REPOSITORY / "docs/pages"
README = REPOSITORY / "README.md"
#: Need no extra.
PLAIN = (
    "tutorial/index.md",
    "tutorial/1-report.md",
    "tutorial/2-why.md",
    "tutorial/4-ports.md",
    "tutorial/5-python.md",
)
#: Need what the README's line on extras installs.
WITH_EXTRAS = ("tutorial/3-flows.md", "how-to/notebooks.md", "how-to/reports.md")
EXTRAS = re.compile(r"`(pip install 'pcap-classifier\[[^`]+)`")
#: Lines of shell with one of these are only parsed: the clone doesn't have what they read.
ELSEWHERE = (
    *("monday.pcap", "yesterday.pcap", "captures/", "mine.toml"),
    *("tcpdump", "sudo classifier live", "mail -s"),
    *("python3 -m venv", "pip install -e", "tests/run"),  # run by .ci/run, as they stand in the README
)
PATH = f"{REPOSITORY / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"


class FailedError(Exception):
    """A command of a page didn't end as the page shows."""


def follow(page: Path) -> Iterator[str]:
    """Run the blocks of a page; yield the lines that were only parsed."""
    print(f"following {page.relative_to(REPOSITORY)}", flush=True)
    code = ""
    for block in examples.FENCE.finditer(page.read_text(encoding="utf-8")):
        body = block["body"]
        match block["kind"]:
            case "sh":
                examples.check_calls(body)
                lines = body.splitlines()
                elsewhere = [line for line in lines if any(name in line for name in ELSEWHERE)]
                run(
                    [
                        "bash",
                        "-euo",
                        "pipefail",
                        "-c",
                        "\n".join(line for line in lines if line not in elsewhere),
                    ]
                )
                yield from elsewhere
            case "console":
                _console(body)
            case "toml" if block["title"]:
                (REPOSITORY / block["title"]).write_text(body, encoding="utf-8")
            case "pycon":
                code += "".join(example.source for example in doctest.DocTestParser().get_examples(body))
            case "python" if not examples.LISTENS.search(body):
                code += body
    if code:
        run(["python", "-c", code])


def _console(body: str) -> None:
    """Run the commands of a block; a following `echo $?` shows the expected exit status."""
    lines = body.splitlines()
    commands = [at for at, line in enumerate(lines) if line.startswith("$ ") and line != "$ echo $?"]
    for at, end in zip(commands, [*commands[1:], len(lines)], strict=True):
        asked = lines.index("$ echo $?", at, end) if "$ echo $?" in lines[at:end] else None
        run(["bash", "-c", lines[at][2:]], status=int(lines[asked + 1]) if asked else 0)


def run(command: list[str], status: int = 0) -> None:
    """Run a command in the root of the clone."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ | {"PATH": PATH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != status:
        raise FailedError(f"{command[-1]}\nended with {done.returncode}, not {status}:\n{done.stdout}")


def extras() -> list[str]:
    """Return the command that installs the extras, as the README has it."""
    found = EXTRAS.search(README.read_text(encoding="utf-8"))
    if not found:
        raise FailedError("README.md doesn't say how to install extras")
    return ["bash", "-c", found[1]]


def main() -> None:
    """Follow all pages."""
    before = set(REPOSITORY.iterdir())
    parsed: list[str] = []
    try:
        for page in PLAIN:
            parsed += follow(PAGES / page)
        run(extras())
        for page in WITH_EXTRAS:
            parsed += follow(PAGES / page)
        parsed += follow(README)
    except FailedError as failure:
        sys.exit(str(failure))
    finally:
        for path in set(REPOSITORY.iterdir()) - before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if idle := [name for name in ELSEWHERE if not any(name in line for line in parsed)]:
        sys.exit(f"no page has {', '.join(idle)} any more")
    print(
        f"The pages can be followed; {len(parsed)} lines need what isn't in the clone, and were only parsed"
    )


if __name__ == "__main__":
    main()
