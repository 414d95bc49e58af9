"""`aresmon` and `python -m aresmon`."""

import atexit
import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line. An interruption while modules still load ends it without a word."""
    # What modules make while they are read stays: looking through it again and again takes a tenth of a second, and
    # once more at the end, when the process gives it back anyway.
    gc.set_threshold(200_000, 20, 100)
    atexit.register(gc.freeze)
    try:
        from aresmon.cli.main import main as run

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
