"""What aresmon.yml, collectors and views can say, as frozen types; pure but for reading files."""
