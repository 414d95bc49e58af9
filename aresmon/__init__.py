"""Monitor your servers with Telegraf, InfluxDB and Grafana, configured from one file."""

__version__ = "0.4.0"
