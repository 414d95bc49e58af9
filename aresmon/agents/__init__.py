"""Decide which Telegraf configuration a host should have, and check it by our rules and by Telegraf itself.

Public: sources.fetch(), repository, lint.check(), check.check_folder().
Imports: site, render, engine, config, system.
"""
