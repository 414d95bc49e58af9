"""`status` and `doctor`: probes collect facts, then pure checks judge them.

Public: status.look(), run.examine(), problems, findings.
Imports: push, backup, stack, influxdb, site, engine, config, system.
"""
