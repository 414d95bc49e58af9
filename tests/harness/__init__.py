"""How the tests run: many at once, unit tests with no way out, and nothing left behind. Each module is a pytest plugin
or what one stands on; `tests/conftest.py` names the plugins."""
