"""The program to start: `python -m simulator`, and `web-service-simulator` where it is installed."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process, and return its exit code."""
    try:
        import os
        import signal
        from pathlib import Path

        # Until a command handles signals itself, Ctrl-C ends the program without a traceback of its imports.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        from simulator.cli import main as run
        from simulator.commands.program import this_program
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:], this_program(Path(sys.argv[0])))


if __name__ == "__main__":
    sys.exit(main())
