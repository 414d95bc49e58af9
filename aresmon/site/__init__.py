"""The site's folder on disk: its project, lock, history and bundle, its secrets, certificates and certificate
authority.

Public: project.Project, folder.Site, bundle, secrets, external_secrets, certificates, ca, preflight, init.
Imports: config, system.
"""
