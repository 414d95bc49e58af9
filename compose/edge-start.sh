#!/bin/bash
# Starts HAProxy, and ends all queries of Grafana while InfluxDB's memory is nearly full, which a file beside its socket
# tells (influxdb/memory.sh). Whoever asked sees an error in that panel; agents, and what aresmon itself asks, go on.
full=/run/influxdb/memory-full

end_queries() {
  exec {never}<> <(:) # nothing ever comes here, so that reading from it waits without starting a program
  while read -r -t 0.05 -u "$never"; :; do
    if [[ -e $full ]]; then
      printf 'shutdown sessions server influxdb-queries/influxdb\n' > /dev/tcp/127.0.0.1/8405
    fi
  done 2> /dev/null
}

end_queries &
exec haproxy "$@"
