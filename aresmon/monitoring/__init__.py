"""What the catalogue's alerts say now, evaluated from InfluxDB, without Grafana.

Public: evaluation.firing(), evaluation.states(), evaluation.values(), evaluation.ask_at_once().
Imports: render, influxdb, config, system.
"""
