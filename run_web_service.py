"""The front door of a checkout, which need not be installed: the same program as `web-service-simulator`."""

import sys

if __name__ == "__main__":
    try:
        from simulator.__main__ import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())
