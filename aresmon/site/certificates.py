"""Certificates that the site was given: looked at before anything is touched, then put together for the edge."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aresmon.config.access import KeyPair, name_of
from aresmon.system import files
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


FILES = {"grafana": "grafana.pem", "edge": "agents.pem"}
"""What the edge reads, by whose door it is."""
_SOON = 14  # days
_UNTOUCHED = "nothing was changed; "


@dataclass(frozen=True, slots=True)
class CertificateWarning:
    """What is not right with a certificate, and the next step."""

    what: str
    next: str


def look(root: Path, pair: KeyPair | None, url: str, *, now: datetime | None = None) -> list[CertificateWarning]:
    """What is not right yet no obstacle: an end that is near, a name that is not the one people type.

    Raises AresmonError, with the line in aresmon.yml, for a pair that the edge could not use.
    """
    if pair is None:
        return []
    leaf = _leaf(root, pair)
    if _key(root, pair).public_key() != leaf.public_key():
        raise _wrong(
            pair, "key", f"{pair.key} is not the key of {pair.certificate}", "give the two that belong together"
        )
    now = now or datetime.now(UTC)
    _check_time(pair, leaf, now)
    return _doubts(pair, leaf, url, now)


def troubles(root: Path, pair: KeyPair | None, url: str, folder: Path, *, now: datetime) -> list[CertificateWarning]:
    """What is wrong for those who come now: with the certificate in aresmon.yml, and with what the edge was given of
    it in `folder`. What this process may not read is not judged."""
    if pair is None:
        return []
    try:
        (root / pair.certificate).read_bytes()
        leaf = _leaf(root, pair)
        _check_time(pair, leaf, now)
    except PermissionError:
        return []
    except (OSError, AresmonError) as error:
        told = error if isinstance(error, AresmonError) else _unreadable(root, pair, "certificate", error)
        return [CertificateWarning(told.message, f"{told.hint.removeprefix(_UNTOUCHED)}, then `aresmon up`")]
    found = _doubts(pair, leaf, url, now)
    used = _used(folder / FILES[pair.door])
    if used and used != leaf and _is_soon(used, now):
        what = f"the edge still shows the certificate of before, whose end is {_day(used)}"
        found.append(CertificateWarning(what, "`aresmon up` takes the renewed one in"))
    return found


def mark(root: Path, pair: KeyPair | None) -> str:
    """What changes with the certificate; empty where there is none, or none that can be read.

    Of the certificate alone, which is public: another key has another one.
    """
    try:
        return hashlib.sha256((root / pair.certificate).read_bytes()).hexdigest()[:12] if pair else ""
    except OSError:
        return ""


def bring(root: Path, pair: KeyPair | None, folder: Path, owner: int, *, door: str = "grafana") -> None:
    """Put the pair where the edge reads it, as one file that is the edge's alone; without a pair, take it away."""
    target = folder / FILES[door]
    if pair is None:
        target.unlink(missing_ok=True)
        return
    content = _read(root, pair, "certificate").rstrip() + b"\n" + _read(root, pair, "key").rstrip() + b"\n"
    if not target.exists() or target.read_bytes() != content:
        files.write(target, content, mode=0o600, owner=owner)


def fingerprint(root: Path, pair: KeyPair) -> str:
    """The SHA-256 of the certificate, in hexadecimal digits: by it our own door is known, whatever its name."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return _leaf(root, pair).fingerprint(SHA256()).hex()


def _check_time(pair: KeyPair, leaf: Certificate, now: datetime) -> None:
    if leaf.not_valid_after_utc <= now:
        raise _wrong(pair, "certificate", f"{pair.certificate} ended on {_day(leaf)}", "renew it")
    if leaf.not_valid_before_utc > now:
        message = f"{pair.certificate} counts from {leaf.not_valid_before_utc:%Y-%m-%d} on"
        raise _wrong(pair, "certificate", message, "set this machine's clock right, or wait until then")


def _doubts(pair: KeyPair, leaf: Certificate, url: str, now: datetime) -> list[CertificateWarning]:
    doubts = []
    name, names = name_of(url), _names(leaf)
    if not any(_covers(known, name) for known in names):
        who, verb = ("browsers", "people type") if pair.door == "grafana" else ("agents", "hosts reach the server by")
        known = ", ".join(names) or f"no name ({who} look at its subject alternative names alone)"
        what = f"{pair.where('certificate')}: {who} will refuse it for {name}: it is for {known}"
        doubts.append(
            CertificateWarning(what, f"give one that is for {name}, or set {pair.door}.url to the name that {verb}")
        )
    if _is_soon(leaf, now):
        what = f"{pair.where('certificate')}: {pair.certificate} ends on {_day(leaf)}"
        doubts.append(CertificateWarning(what, "renew it; `aresmon up` takes the new one in"))
    return doubts


def _is_soon(leaf: Certificate, now: datetime) -> bool:
    return (leaf.not_valid_after_utc - now).days < _SOON


def _used(target: Path) -> Certificate | None:
    """The certificate that the edge was given, as far as this process may know."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(target.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _leaf(root: Path, pair: KeyPair) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(_read(root, pair, "certificate"))[0]
    except ValueError:
        message = f"{pair.certificate} has no certificate in PEM in it"
        raise _wrong(pair, "certificate", message, "a file that begins with -----BEGIN CERTIFICATE-----") from None


def _key(root: Path, pair: KeyPair) -> Any:
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


def _read(root: Path, pair: KeyPair, name: str) -> bytes:
    try:
        return (root / str(getattr(pair, name))).read_bytes()
    except OSError as error:
        raise _unreadable(root, pair, name, error) from None


def _unreadable(root: Path, pair: KeyPair, name: str, error: OSError) -> AresmonError:
    reason = (error.strerror or "").lower()
    is_secret = isinstance(error, PermissionError)
    next_step = (
        "run aresmon as somebody who may read it" if is_secret else f"name a file that is there, at {pair.where(name)}"
    )
    return _wrong(pair, name, f"{root / str(getattr(pair, name))} cannot be read: {reason}", next_step)


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


def _wrong(pair: KeyPair, name: str, message: str, next_step: str) -> AresmonError:
    return AresmonError(f"{pair.where(name)}: {message}", hint=_UNTOUCHED + next_step)
