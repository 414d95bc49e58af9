"""Telegraf configurations deployed to hosts, verified by their data or rolled back; hosts enrolled."""
