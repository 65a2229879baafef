"""`python -m classifier`, and the command `classifier`."""

from __future__ import annotations

import sys

from classifier.errors import ExitStatus


def main() -> None:
    """Run the command line; Ctrl-C ends it in one line also while that is still being imported."""
    try:
        from classifier import cli
    except KeyboardInterrupt:
        print("classifier: interrupted", file=sys.stderr)
        sys.exit(ExitStatus.INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
