"""The site's own certificates: checked before anything is changed, then combined with their keys for the edge."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aresmon.config.access import KeyPair, url_host
from aresmon.system import files
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


FILES = {"grafana": "grafana.pem", "edge": "agents.pem"}
"""The file that the edge reads, by listener."""
_SOON = 14  # days
_UNTOUCHED = "nothing was changed; "


@dataclass(frozen=True, slots=True)
class CertificateWarning:
    """A problem with a certificate, and the next step."""

    what: str
    next: str


def find_warnings(
    root: Path, pair: KeyPair | None, url: str, *, now: datetime | None = None
) -> list[CertificateWarning]:
    """Return warnings that do not prevent `up`: the certificate expires soon, or does not cover the name in the URL.

    Raises AresmonError, with the line in aresmon.yml, for a pair that the edge could not use.
    """
    if pair is None:
        return []
    leaf = _leaf(root, pair)
    if _key(root, pair).public_key() != leaf.public_key():
        raise _wrong(pair, "key", f"{pair.key} is not the key of {pair.certificate}", "name the key that belongs to it")
    now = now or datetime.now(UTC)
    _check_time(pair, leaf, now)
    return _warnings(pair, leaf, url, now)


def find_problems(
    root: Path, pair: KeyPair | None, url: str, folder: Path, *, now: datetime
) -> list[CertificateWarning]:
    """Return what is wrong for clients now: with the certificate in aresmon.yml, and with the edge's copy in `folder`.

    Files that this process may not read are skipped.
    """
    if pair is None:
        return []
    try:
        (root / pair.certificate).read_bytes()
        leaf = _leaf(root, pair)
        _check_time(pair, leaf, now)
    except PermissionError:
        return []
    except (OSError, AresmonError) as error:
        reported = error if isinstance(error, AresmonError) else _unreadable(root, pair, "certificate", error)
        return [CertificateWarning(reported.message, f"{reported.hint.removeprefix(_UNTOUCHED)}, then `aresmon up`")]
    found = _warnings(pair, leaf, url, now)
    used = _used(folder / FILES[pair.service])
    if used and used != leaf and _expires_soon(used, now):
        what = f"the edge still uses the previous certificate, which expires on {_day(used)}"
        found.append(CertificateWarning(what, "`aresmon up` installs the renewed one"))
    return found


def change_hash(root: Path, pair: KeyPair | None) -> str:
    """Return a hash that changes with the certificate; empty if there is none, or it cannot be read.

    The public certificate is sufficient: a different key has a different certificate.
    """
    try:
        return hashlib.sha256((root / pair.certificate).read_bytes()).hexdigest()[:12] if pair else ""
    except OSError:
        return ""


def install(root: Path, pair: KeyPair | None, folder: Path, owner: int, *, service: str = "grafana") -> None:
    """Write the pair as one file that only the edge can read; without a pair, delete that file."""
    target = folder / FILES[service]
    if pair is None:
        target.unlink(missing_ok=True)
        return
    content = _read(root, pair, "certificate").rstrip() + b"\n" + _read(root, pair, "key").rstrip() + b"\n"
    if not target.exists() or target.read_bytes() != content:
        files.write(target, content, mode=0o600, owner=owner)


def fingerprint(root: Path, pair: KeyPair) -> str:
    """Return the SHA-256 of the certificate in hexadecimal. It identifies the site's own edge under any name."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return _leaf(root, pair).fingerprint(SHA256()).hex()


def _check_time(pair: KeyPair, leaf: Certificate, now: datetime) -> None:
    if leaf.not_valid_after_utc <= now:
        raise _wrong(pair, "certificate", f"{pair.certificate} expired on {_day(leaf)}", "renew it")
    if leaf.not_valid_before_utc > now:
        message = f"{pair.certificate} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}"
        raise _wrong(pair, "certificate", message, "correct this machine's clock, or wait until then")


def _warnings(pair: KeyPair, leaf: Certificate, url: str, now: datetime) -> list[CertificateWarning]:
    warnings = []
    name, names = url_host(url), _names(leaf)
    if not any(_covers(known, name) for known in names):
        who, verb = ("browsers", "people use") if pair.service == "grafana" else ("agents", "hosts use")
        known = ", ".join(names) or f"no name ({who} check only its subject alternative names)"
        what = f"{pair.where('certificate')}: {who} will reject it for {name}: it is valid for {known}"
        next_step = f"use a certificate for {name}, or set {pair.service}.url to the name that {verb}"
        warnings.append(CertificateWarning(what, next_step))
    if _expires_soon(leaf, now):
        what = f"{pair.where('certificate')}: {pair.certificate} expires on {_day(leaf)}"
        warnings.append(CertificateWarning(what, "renew it; `aresmon up` installs the new one"))
    return warnings


def _expires_soon(leaf: Certificate, now: datetime) -> bool:
    return (leaf.not_valid_after_utc - now).days < _SOON


def _used(target: Path) -> Certificate | None:
    """Return the certificate in the edge's file; None if it is missing or this process may not read it."""
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
        message = f"{pair.certificate} does not contain a certificate in PEM format"
        raise _wrong(pair, "certificate", message, "name a file that begins with -----BEGIN CERTIFICATE-----") from None


def _key(root: Path, pair: KeyPair) -> Any:
    """Return the private key. The types of keys have no common base type."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(root, pair, "key"), password=None)
    except TypeError:
        hint = "`openssl pkey -in KEY -out NEW` removes the password"
        raise _wrong(
            pair, "key", f"{pair.key} is encrypted with a password, and HAProxy cannot ask for it", hint
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "name a file that begins with -----BEGIN PRIVATE KEY-----"
        raise _wrong(pair, "key", f"{pair.key} does not contain a private key in PEM format", hint) from None


def _read(root: Path, pair: KeyPair, name: str) -> bytes:
    try:
        return (root / str(getattr(pair, name))).read_bytes()
    except OSError as error:
        raise _unreadable(root, pair, name, error) from None


def _unreadable(root: Path, pair: KeyPair, name: str, error: OSError) -> AresmonError:
    reason = (error.strerror or "").lower()
    is_secret = isinstance(error, PermissionError)
    next_step = "run aresmon as a user who may read it" if is_secret else f"name an existing file at {pair.where(name)}"
    return _wrong(pair, name, f"{root / str(getattr(pair, name))} cannot be read: {reason}", next_step)


def _names(leaf: Certificate) -> list[str]:
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress))]


def _covers(known: str, name: str) -> bool:
    """Return whether a certificate for `known` is valid for `name` (RFC 6125: a wildcard matches one label)."""
    known, name = known.lower(), name.lower()
    return known == name or (known.startswith("*.") and known[1:] == f".{name.partition('.')[2]}")


def _day(leaf: Certificate) -> str:
    return f"{leaf.not_valid_after_utc:%Y-%m-%d}"


def _wrong(pair: KeyPair, name: str, message: str, next_step: str) -> AresmonError:
    return AresmonError(f"{pair.where(name)}: {message}", hint=_UNTOUCHED + next_step)
