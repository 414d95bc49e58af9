"""From a fleet to the files of its bundle. Pure: the same input gives the same bytes, and nothing is touched."""
