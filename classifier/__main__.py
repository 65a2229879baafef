"""Entry point of `python -m classifier` and of the command `classifier`."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

from classifier.errors import ExitStatus


def main() -> NoReturn:
    """Run the command line, flush all output, and exit without shutting the interpreter down.

    Ctrl-C prints one line even while the command line is being imported. Interpreter shutdown is skipped
    because before Python 3.14 a pyarrow thread that still needs the interpreter aborts the process
    (apache/arrow#38352), and because it takes as long as a small capture.
    """
    try:
        from classifier import cli
    except KeyboardInterrupt:
        print("classifier: interrupted", file=sys.stderr)
        sys.exit(ExitStatus.INTERRUPTED)
    try:
        cli.main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else ExitStatus.FAILURE
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, which was reported already
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
