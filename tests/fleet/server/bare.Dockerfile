# A server: systemd and sshd, an administrator whose sudo asks nothing (ares), one whose sudo asks (bob).
FROM aresmon-test/base
RUN rm -f /etc/ssh/ssh_host_* \
 && useradd --uid 1001 --create-home --shell /bin/bash ares \
 && useradd --uid 1002 --create-home --shell /bin/bash --groups sudo bob \
 && echo 'bob:hunter2-test' | chpasswd
COPY bare/ /
# What a container cannot use or a test does not wait for. Nothing here asks logind (there is no
# libpam-systemd); the timers would make one run differ from another.
RUN systemctl enable aresmon-test-cut.service \
 && systemctl mask systemd-logind.service getty.target console-getty.service getty-static.service e2scrub_reap.service \
      apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
      systemd-binfmt.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
# What systemd takes for an order to shut down.
STOPSIGNAL SIGRTMIN+3
CMD ["/usr/sbin/boot"]
