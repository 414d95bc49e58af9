"""The stack of a site, here or on another machine: `up` and `down`."""
