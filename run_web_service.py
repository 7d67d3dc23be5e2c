"""The front door: hand the command line to `simulator.cli`."""

import sys
from pathlib import Path

from simulator.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve()))
