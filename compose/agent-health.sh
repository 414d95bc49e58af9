#!/bin/bash
# The health check of an agent's container: whether the agent turns, and whether it sees the machine's disks. Docker
# restarts nothing that is merely unhealthy; what a new start mends is therefore ended here, and the engine starts it.

# The file that it writes at each flush. It proves that the agent turns, not that its data arrives: `aresmon status`
# asks InfluxDB for that.
(($(date +%s) - $(stat -c %Y /tmp/alive) < 60)) || exit 1

# The disks that are mounted below a folder, as device and place.
disks() { # MOUNTINFO FOLDER
  while read -r _ _ number of at rest; do
    [[ $of == / || $rest == *" - btrfs "* ]] || continue
    [[ $rest == *" - "*" /dev/"* || $rest =~ \ -\ (zfs|nfs|nfs4|cifs)\  ]] || continue
    at=${at%/}
    [[ $at/ != "$2"/* ]] || echo "$number ${at#"$2"}/"
  done < "$1" | sort
}

# Where the machine's root is private, a disk that is mounted later is not below /hostfs, and would have the size of its
# folder's; one that is unmounted stays there, and busy. The next start sees what there is. What was different from the
# start on, as below another mount, is no reason.
comm -3 <(disks /hostfs/proc/1/mountinfo "") <(disks /proc/self/mountinfo /hostfs) | sort > /tmp/differing
[[ -e /tmp/differing-at-start ]] || cp /tmp/differing /tmp/differing-at-start
[[ -z $(comm -23 /tmp/differing /tmp/differing-at-start) ]] || kill 1
