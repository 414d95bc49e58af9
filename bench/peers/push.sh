#!/bin/sh
# A changed telegraf.conf to many hosts, as a loop over ssh: checked there, put in its place whole, restarted, seen
# to run. Run by bench/push.py: `push.sh SSH_CONFIG FOLDER PARALLEL HOST…`, where FOLDER has HOST.conf for each.
config=$1 folder=$2 parallel=$3
shift 3
there='set -e; cd /etc/telegraf; umask 027
cat >.telegraf.conf.new; chown root:telegraf .telegraf.conf.new
(set -a; . /etc/default/telegraf; telegraf config check --strict-env-handling --config .telegraf.conf.new)
mv -T .telegraf.conf.new telegraf.conf
systemctl restart telegraf; systemctl is-active --quiet telegraf'
export config folder there
printf '%s\n' "$@" | xargs -P "$parallel" -I{} sh -c 'ssh -F "$config" {} "$there" <"$folder/{}.conf"'
