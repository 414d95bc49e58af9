"""A conversation with a host: over ssh, or on this machine."""
