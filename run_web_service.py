"""The program to start: pass the command line to `simulator.cli`."""

import sys

if __name__ == "__main__":
    try:
        import os
        import signal

        # Until a command handles signals itself, Ctrl-C ends the program without a traceback of its imports.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        from pathlib import Path

        from simulator.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main(sys.argv[1:], Path(__file__).resolve()))
