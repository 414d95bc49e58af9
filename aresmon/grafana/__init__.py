"""Grafana over its HTTP API: users, people's own dashboards, the state of alert rules.

Public: client.Grafana, users.ensure(), manage_users, dashboard_files, alerts, admin_access.
Imports: site, render, engine, config, system.
"""
