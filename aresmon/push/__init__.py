"""Deploy Telegraf configurations to hosts, verify that their data arrives, roll back otherwise; add and remove hosts.

Public: session.open_session(), run.push(), drift.drift(), rotate_passwords.rotate(), enroll, PushOptions,
  PushResult.
Imports: stack, influxdb, agents, site, render, engine, config, ssh, system.
"""
