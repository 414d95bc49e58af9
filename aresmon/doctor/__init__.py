"""`status` and `doctor`: probes collect facts, then pure checks decide what is wrong.

Public: status.read_status(), run.examine(), problems, findings.
Imports: push, backup, stack, influxdb, agents, site, engine, config, system.
"""
