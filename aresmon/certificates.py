"""The certificate of Grafana's door: looked at before anything is touched, then put together for the edge."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aresmon import files
from aresmon.door import Pair
from aresmon.errors import AresmonError

# It takes a tenth of a second to import, and few sites have a certificate of their own.
if TYPE_CHECKING:
    from cryptography.x509 import Certificate

FILE = "grafana.pem"
_SOON = 14  # days


def look(root: Path, pair: Pair, url: str, *, now: datetime | None = None) -> list[str]:
    """What is not right yet no obstacle: an end that is near, a name that is not the one people type.

    Raises AresmonError, with the line in aresmon.yml, for a pair that the edge could not use.
    """
    leaf = _leaf(root, pair)
    if _key(root, pair).public_key() != leaf.public_key():
        raise _wrong(
            pair, "key", f"{pair.key} is not the key of {pair.certificate}", "give the two that belong together"
        )
    now = now or datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        raise _wrong(pair, "certificate", f"{pair.certificate} ended on {_day(leaf)}", "renew it")
    if leaf.not_valid_before_utc > now:
        begins = f"{leaf.not_valid_before_utc:%Y-%m-%d}"
        raise _wrong(
            pair, "certificate", f"{pair.certificate} counts from {begins} on", "is this machine's clock right?"
        )
    return _doubts(pair, leaf, url, now)


def mark(root: Path, pair: Pair | None) -> str:
    """What changes with the certificate; empty where there is none, or none that can be read.

    Of the certificate alone, which is public: another key has another one.
    """
    try:
        return hashlib.sha256((root / pair.certificate).read_bytes()).hexdigest()[:12] if pair else ""
    except OSError:
        return ""


def bring(root: Path, pair: Pair | None, folder: Path, owner: int) -> None:
    """Put the pair where the edge reads it, as one file that is the edge's alone; without a pair, take it away."""
    target = folder / FILE
    if pair is None:
        target.unlink(missing_ok=True)
        return
    content = _read(root, pair, "certificate").rstrip() + b"\n" + _read(root, pair, "key").rstrip() + b"\n"
    if not target.exists() or target.read_bytes() != content:
        files.write(target, content, mode=0o600, owner=owner)


def fingerprint(root: Path, pair: Pair) -> str:
    """The SHA-256 of the certificate, in hexadecimal digits: by it our own door is known, whatever its name."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return _leaf(root, pair).fingerprint(SHA256()).hex()


def _doubts(pair: Pair, leaf: Certificate, url: str, now: datetime) -> list[str]:
    doubts = []
    name, names = urlsplit(url).hostname or "", _names(leaf)
    if not any(_covers(known, name) for known in names):
        known = ", ".join(names) or "no name"
        doubts.append(f"{pair.where('certificate')}: browsers will refuse it for {name}: it is for {known}")
    if (leaf.not_valid_after_utc - now).days < _SOON:
        doubts.append(
            f"{pair.where('certificate')}: it ends on {_day(leaf)}; after a renewal, `aresmon up` takes it in"
        )
    return doubts


def _leaf(root: Path, pair: Pair) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(_read(root, pair, "certificate"))[0]
    except ValueError:
        message = f"{pair.certificate} has no certificate in PEM in it"
        raise _wrong(pair, "certificate", message, "a file that begins with -----BEGIN CERTIFICATE-----") from None


def _key(root: Path, pair: Pair) -> Any:
    """The private key; its kinds have no common type."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(root, pair, "key"), password=None)
    except TypeError:
        hint = "`openssl pkey -in KEY -out NEW` takes the password off"
        raise _wrong(pair, "key", f"{pair.key} has a password, which nobody is there to type", hint) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "a file that begins with -----BEGIN PRIVATE KEY-----"
        raise _wrong(pair, "key", f"{pair.key} has no private key in PEM in it", hint) from None


def _read(root: Path, pair: Pair, name: str) -> bytes:
    path = root / str(getattr(pair, name))
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise _wrong(pair, name, f"{path} cannot be read: {reason}", "aresmon runs as who may read it") from None


def _names(leaf: Certificate) -> list[str]:
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress))]


def _covers(known: str, name: str) -> bool:
    """Whether a certificate for `known` serves for `name`, as RFC 6125 has it: a star stands for one label."""
    known, name = known.lower(), name.lower()
    return known == name or (known.startswith("*.") and known[1:] == f".{name.partition('.')[2]}")


def _day(leaf: Certificate) -> str:
    return f"{leaf.not_valid_after_utc:%Y-%m-%d}"


def _wrong(pair: Pair, name: str, message: str, next_step: str) -> AresmonError:
    return AresmonError(f"{pair.where(name)}: {message}", hint=f"nothing was changed; {next_step}")
