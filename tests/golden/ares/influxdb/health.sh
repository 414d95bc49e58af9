#!/bin/bash
# The health check of InfluxDB's container: whether it answers, and whether it wants a new start. Docker restarts
# nothing that is merely unhealthy; what a new start mends is therefore ended here, and the engine starts it again.
home=/var/lib/influxdb

# InfluxDB 1.13 keeps the error of a series file or log that it once could not write to, and refuses new series with it
# when there is room again: an agent with one new series among its points would get rid of none of them.
if ! head -c 1048576 /dev/zero 2> /dev/null > "$home/.room"; then
  rm -f "$home/.room"
  touch /tmp/full # in memory, and gone with the new start
  echo "nothing can be written to the data folder: is its disk full?"
  exit 1
fi
rm -f "$home/.room"
if [[ -e /tmp/full ]]; then
  echo "there is room again; InfluxDB starts anew"
  kill 1
  exit 1
fi

# A file that it cannot read it puts aside as .bad, and leaves the whole shard closed, for writes too, until the next
# start, which opens it with what is left. Once for each file: the mark lists those that were seen, each with its time.
# What is newer than what would not do: a clock that was ahead and was put right makes a file newer for days.
mark=$home/.bad-seen
[[ -e $mark ]] || : > "$mark"
aside=$(find "$home/data" -maxdepth 4 -name '*.bad' -printf '%P %C@\n' 2> /dev/null)
if [[ -n $aside ]] && grep -qvxFf "$mark" <<< "$aside" && echo "$aside" > "$mark"; then
  echo "a file that cannot be read was put aside; InfluxDB starts anew with the rest"
  kill 1
  exit 1
fi

# 204 is its pong; 401 is the same pong, asking who we are (`ping-auth-enabled`).
exec 3<> /dev/tcp/127.0.0.1/8086 || exit 1
printf 'GET /ping HTTP/1.0\r\n\r\n' >&3
read -r -t 4 _ code _ <&3
[[ $code == 204 || $code == 401 ]]
