"""Upgrade one service after the other; verify each by its data, or roll it back.

Public: run.plan(), run.upgrade(), run.recover().
Imports: stack, influxdb, grafana, site, engine, config, system.
"""
