"""aresmon: watch a few servers, from one file, on proven data."""

__version__ = "0.2.0"
