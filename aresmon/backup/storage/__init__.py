"""Places for backups: folders, SFTP servers, S3 buckets."""
