"""Dashboards, alert rules and contact points in Grafana's formats; pure."""
