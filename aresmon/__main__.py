"""`aresmon` and `python -m aresmon`."""

from aresmon.cli import main

if __name__ == "__main__":
    main()
