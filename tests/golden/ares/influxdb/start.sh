#!/bin/bash
# Starts InfluxDB, with a new segment of the write-ahead log for each shard.
#
# A crash or a full disk can leave half an entry at the end of a segment. InfluxDB 1.13 opens the last segment at its
# end, then cuts off the half, and goes on writing where the end was: between the two is a hole, and the next start takes
# the hole for damage and cuts off all that was taken and confirmed since (tsm1: WAL.Open, CacheLoader.Load). An empty
# segment behind the last has it begin another one, so that nothing is ever written behind a cut.
shopt -s nullglob
for folder in /var/lib/influxdb/wal/*/*/*/; do
  segments=("$folder"_*.wal)
  ((${#segments[@]})) || continue
  last=${segments[-1]}
  [[ -s $last ]] || continue
  number=${last##*/_}
  printf -v next '%s_%05d.wal' "$folder" $((10#${number%.wal} + 1))
  : > "$next" || echo "no new segment in $folder" >&2
done
# The process that this one becomes.
bash /etc/aresmon/memory.sh $$ "${INFLUXDB_MEMORY_KIB:?}" &
exec influxd "$@"
