"""`python -m classifier`, and the command `classifier`: a process from its start to its end."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

from classifier.errors import ExitStatus


def main() -> NoReturn:
    """Run the command line and end the process at once, with everything written and tidied up.

    Ctrl-C ends it in one line also while the command line is still being imported. As to the end: before
    Python 3.14 a thread of pyarrow's that still wants the interpreter while that is taken apart aborts the
    process (apache/arrow#38352); and taking it apart takes as long as a small capture.
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
        with suppress(OSError, ValueError):  # gone, which was said already
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
