"""The command line: one file a group of commands, and what they print.

Public: main.main().
Imports: topology, report, terminal, doctor, push, backup, upgrade, stack, influxdb, grafana, agents, site, render,
  engine, config, ssh, system.
"""
