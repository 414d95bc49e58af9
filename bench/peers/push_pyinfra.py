"""A changed telegraf.conf to many hosts, as a user of pyinfra would write it; run by bench/push.py."""

from pyinfra import host  # type: ignore[import-not-found, unused-ignore]
from pyinfra.operations import files, server, systemd  # type: ignore[import-not-found, unused-ignore]

LIVE, NEW = "/etc/telegraf/telegraf.conf", "/etc/telegraf/.telegraf.conf.new"
CHECK = f"set -a; . /etc/default/telegraf; telegraf config check --strict-env-handling --config {NEW}"

files.put(src=f"{host.data.folder}/{host.name}.conf", dest=NEW, user="root", group="telegraf", mode="640")
server.shell(commands=[CHECK, f"mv -T {NEW} {LIVE}"])
systemd.service("telegraf", restarted=True)
server.shell(commands=["systemctl is-active --quiet telegraf"])
