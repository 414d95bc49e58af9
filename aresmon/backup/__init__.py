"""Backups: created, verified, pruned, restored."""
