"""Which Telegraf configuration a host should have: its sources, its rules, Telegraf's own check."""
