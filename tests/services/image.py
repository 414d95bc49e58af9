"""The image of the services that collectors watch: Debian packages as they come, one image for all tests."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from aresmon.engine import build
from aresmon.engine.docker import Engine
from aresmon.engine.images import tar_of
from tests.harness.locks import lock

_DOCKERFILE = Path(__file__).with_name("services.Dockerfile")
PACKAGES = (
    # The machine, and what tests ask it with.
    *("acl", "curl", "dbus", "iproute2", "iputils-ping", "netcat-openbsd", "nftables", "openssh-server", "openssl"),
    *("procps", "python3", "socat", "sudo", "systemd", "systemd-sysv"),
    # Web.
    *("apache2", "caddy", "haproxy", "libfcgi-bin", "nginx-light", "php-cli", "php-fpm", "varnish"),
    # Databases.
    *("mariadb-server", "memcached", "postgresql", "redis-server"),
    # Mail, messages, names.
    *("bind9", "bind9-dnsutils", "dovecot-imapd", "ldap-utils", "mosquitto", "mosquitto-clients", "postfix"),
    *("rabbitmq-server", "slapd", "unbound"),
    # The machine's own services, devices, guests and counters.
    *("chrony", "fail2ban", "python3-systemd", "mdadm", "nut-client", "nut-server", "prometheus-node-exporter"),
    *("smartmontools", "snmp", "snmpd", "wireguard-go", "wireguard-tools"),
    *("libvirt-clients", "libvirt-daemon-system", "qemu-system-x86"),
)


def services_image(engine: Engine) -> str:
    """The reference of the image; made if this machine does not have it, which takes a few minutes.

    The root file system is kept in aresmon's cache, like those of the project's own images.
    """
    # Not the lock of the project's own images, which another worker may be building meanwhile.
    with lock("images-services"):
        dockerfile = _DOCKERFILE.read_text(encoding="utf-8")
        told = "\0".join((*PACKAGES, dockerfile, Path("/etc/os-release").read_text(encoding="utf-8")))
        image = f"aresmon-test/services:{hashlib.sha256(told.encode()).hexdigest()[:10]}"
        if not engine.image_id(image):
            base = image.replace("/services:", "/rootfs:")
            engine.import_tree(base, build.build_root_filesystem("services", *PACKAGES))
            dockerfile = dockerfile.replace("aresmon-test/base", base)
            engine.build(image, io.BytesIO(tar_of({"Dockerfile": dockerfile.encode()})))
    return image


if __name__ == "__main__":
    services_image(Engine())
