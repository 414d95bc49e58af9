"""What aresmon.yml, collectors and views can say, parsed into frozen types. Pure but for reading files.

Public: model.load(), model.Config, collectors.load(), view_files.load(), edit_hosts, edit_users, migrations, names.
Imports: system.
"""
