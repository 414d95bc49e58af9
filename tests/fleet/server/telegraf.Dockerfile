# A server with Telegraf, laid out as InfluxData's package does it (scripts/deb of Telegraf 1.39): enabled by
# the package, not started, since its first configuration has no output.
FROM aresmon-test/base
COPY --from=aresmon-test/telegraf /usr/bin/telegraf /usr/bin/telegraf
RUN groupadd --system telegraf \
 && useradd --system --no-create-home --shell /bin/false --home-dir /etc/telegraf --gid telegraf telegraf \
 && install -d -m 0755 /etc/telegraf /etc/telegraf/telegraf.d \
 && install -d -m 0755 -o telegraf -g telegraf /var/log/telegraf \
 && install -d -m 0770 -g telegraf /var/lib/telegraf \
 && touch /etc/default/telegraf
COPY telegraf/ /
