"""`aresmon` and `python -m aresmon`."""

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line. An interruption while modules still load ends it without a word."""
    try:
        from aresmon.cli import main as run

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
