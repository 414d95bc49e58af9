"""The picture of a site: what sends data where, and the state of each part.

Public: site_map.read(), graph.dot(), drawing.svg(), page.publish().
Imports: doctor, influxdb, grafana, render, config, system.
"""
