"""aresmon: watch a few servers, from one file, on proven data."""

__version__ = "0.4.0"
