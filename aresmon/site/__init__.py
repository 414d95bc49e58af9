"""The site's folder on disk: its lock, its bundle, its secrets, certificates and authority."""
