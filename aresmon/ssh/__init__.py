"""Run a script on a host, over ssh or on this machine, and talk to it while it runs.

Public: client.Ssh, client.Connections, transport.Transport, transport.Local.
Imports: system.
"""
