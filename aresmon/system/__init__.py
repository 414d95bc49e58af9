"""Files, processes, signals, git, YAML with line numbers, state files, waiting, errors. Knows nothing of aresmon.

Public: errors.AresmonError, process.run(), files.write(), json_file.JsonFile, poll, yaml_document.Document, git.
Imports: nothing of aresmon.
"""
