"""Decide which Telegraf configuration a host should have, and check it by our rules and by Telegraf itself.

Public: sources.newest(), repository, lint.check(), check.configurations().
Imports: site, render, engine, config, system.
"""
