"""InfluxDB: queries, users and permissions, retention, downsampling, backfill, capacity, shards.

Public: client.InfluxDB, service, users, downsampling, backfill, retention, capacity, shards, freshness.
Imports: site, engine, config, system.
"""
