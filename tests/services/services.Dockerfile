# A machine with the services that collectors watch, none of them started or enabled, and the user that Telegraf's
# package makes. As under systemd in the tests of servers, units that a container cannot run are masked.
FROM aresmon-test/base
RUN groupadd --system telegraf \
 && useradd --system --no-create-home --shell /bin/false --home-dir /etc/telegraf --gid telegraf telegraf \
 && install -d -m 0755 /etc/telegraf \
 && rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.requires \
 && systemctl mask systemd-logind.service getty.target console-getty.service getty-static.service \
      systemd-binfmt.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
 && printf '%s\n' '#!/bin/sh' \
      '# systemd gets control groups of the second version, which begin at this container.' \
      'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup' 'exec /sbin/init' > /usr/sbin/boot \
 && chmod 0755 /usr/sbin/boot
STOPSIGNAL SIGKILL
CMD ["sleep", "infinity"]
