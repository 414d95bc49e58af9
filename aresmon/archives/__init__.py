"""Where backups go: one contract, and a module for each kind of place."""
