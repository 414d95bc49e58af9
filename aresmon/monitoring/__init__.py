"""What the catalogue's columns, panels and alerts say now, read from InfluxDB without Grafana.

Public: evaluation.firing(), alerts.AlertWatch, fleet.FleetReader, host_panels.ask(), curves.Window, values.
Imports: render, influxdb, config, system.
"""
