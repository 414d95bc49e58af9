"""Create, verify, prune and restore backups, in folders, over SFTP and in S3 buckets.

Public: create.make(), verify.verify(), restore.restore(), pruning, record, schedule, storage.
Imports: stack, influxdb, site, engine, config, ssh, system.
"""
