"""The report of a month: availability, load, disks, alerts, pushes and backups, as one page without outside parts.

Public: period.month(), figures.collect(), page.html_page(), pdf.write().
Imports: influxdb, config, system.
"""
