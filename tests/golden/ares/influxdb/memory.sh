#!/bin/bash
# Watches the memory of InfluxDB, the process $1, and puts a file beside its socket when queries have taken a third of
# what was free of the $2 KiB that it may use. The edge then ends the queries of Grafana (edge/start.sh): InfluxDB has no
# limit on what a query takes, and without memory the kernel would end InfluxDB itself, and with it what agents write.
#
# A third, because InfluxDB encodes what it has of an answer also for who is gone, which may take as much again
# (services/httpd/handler.go: serveQuery), and some of what a query does cannot be interrupted.
full=/run/influxdb/memory-full
rm -f "$full"
trap 'rm -f "$full"' EXIT
exec {never}<> <(:) # nothing ever comes here, so that reading from it waits without starting a program

memory() { # → used, in KiB
  while read -r name used _ && [[ $name != RssAnon: ]]; do :; done < "/proc/$1/status"
}

# What InfluxDB uses by itself is the least of the last one or two minutes; while it starts, half is taken for that.
least=$2 before=$2 turn=0
while read -r -t 0.05 -u "$never"; memory "$1" 2> /dev/null; [[ -n $used ]]; do
  ((used < least)) && least=$used
  if ((SECONDS / 60 > turn)); then
    before=$least least=$used turn=$((SECONDS / 60))
  fi
  if ((SECONDS < 30)); then
    own=$(($2 / 2)) least=$2
  else
    own=$((least < before ? least : before))
  fi
  if ((used > own + ($2 - own) / 3)); then
    [[ -e $full ]] || echo "queries use $(((used - own) / 1024)) MiB: those of Grafana are ended" >&2
    : > "$full"
  elif [[ -e $full ]]; then
    rm -f "$full"
    echo "queries use $(((used - own) / 1024)) MiB: there is room for others again" >&2
  fi
done
