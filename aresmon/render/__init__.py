"""Everything that is generated from a site's configuration, as paths and bytes. Pure.

Public: bundle.render(), telegraf.configuration(), compose.RenderContext, proxy_snippets.
Imports: config, system.
"""
