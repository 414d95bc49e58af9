"""Upgrades: one service after the other, verified or rolled back."""
