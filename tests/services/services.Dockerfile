# A machine with the services that collectors watch, none of them started, and the user that Telegraf's package makes.
FROM aresmon-test/base
RUN groupadd --system telegraf \
 && useradd --system --no-create-home --shell /bin/false --home-dir /etc/telegraf --gid telegraf telegraf \
 && install -d -m 0755 /etc/telegraf \
 && rm -f /usr/sbin/policy-rc.d
CMD ["sleep", "infinity"]
