"""InfluxDB: queries, users, retention, downsampling, shards."""
