"""Everything generated from a site's configuration, as paths and bytes; pure."""
