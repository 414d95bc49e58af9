"""The stack of a site: start it, stop it, and read and change its files, here or on its server over ssh.

Public: up.up(), down.down(), plan, location.is_local(), access.Stack, local.LocalStack, remote.open_remote().
Imports: influxdb, grafana, agents, site, render, engine, config, ssh, system.
"""
