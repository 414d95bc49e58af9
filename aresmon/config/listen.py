"""An address and port to listen on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback

    def overlaps(self, other: ListenAddress) -> bool:
        """Whether not both can be listened on."""
        mine, theirs = ipaddress.ip_address(self.address), ipaddress.ip_address(other.address)
        return self.port == other.port and (mine == theirs or mine.is_unspecified or theirs.is_unspecified)

    @property
    def here(self) -> str:
        """An address and port by which this very machine reaches it."""
        anywhere = ipaddress.ip_address(self.address).is_unspecified
        loopback = "[::1]" if ":" in self.address else "127.0.0.1"
        return f"{loopback}:{self.port}" if anywhere else str(self)


def parse_listen(text: str) -> ListenAddress:
    address, _, port = text.rpartition(":")
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise ValueError(f"'{address}' is no IP address") from None
    if not 0 < int(port) < 65536:
        raise ValueError(f"{port} is no port; ports go from 1 to 65535")
    return ListenAddress(str(ip), int(port))
