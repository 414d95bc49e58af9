"""Grafana's HTTP API: users, dashboards, alerts."""
