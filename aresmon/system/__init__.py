"""Files, processes, signals, git, YAML with line numbers, errors. Knows nothing of aresmon."""
