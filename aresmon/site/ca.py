"""The site's own certificate authority, and the edge's certificate for agents, which it issues and renews.

Everything is in one folder that only the site's owner can read: `authority.pem` and, while the authority is being
rotated, `next.pem` (each a certificate and its key), `edge.pem` (the edge's certificate and key), and `edge.json`, a
description of that certificate.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aresmon.config.access import url_host
from aresmon.config.model import Config
from aresmon.site.certificates import CertificateWarning
from aresmon.system import files
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder


OF_AUTHORITY = timedelta(days=3652)
OF_EDGE = timedelta(days=365)
_RENEW_BELOW = 1 / 3  # of the lifetime left
_WARN_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)  # a host's clock may be behind
NEXT = "next.pem"
_NOW, _EDGE = "authority.pem", "edge.pem"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Facts:
    """Description of the edge's certificate. `of` is a digest of the files it describes; times are in seconds since
    1970."""

    of: str
    names: tuple[str, ...]
    begins: float
    ends: float
    authority_ends: float


@dataclass(frozen=True, slots=True)
class AuthoritySummary:
    """An authority for display: the SHA-256 of its certificate, and its expiry date."""

    fingerprint: str
    ends: datetime


def server_names(config: Config) -> tuple[str, ...]:
    """Return the names and addresses that agents connect to."""
    listen = ipaddress.ip_address(config.edge.agents.address)
    own = () if listen.is_unspecified else (str(listen),)
    return tuple(sorted({url_host(config.edge.url), config.server, "localhost", "127.0.0.1", "::1", *own}))


def renewal_reason(folder: Path, names: Sequence[str], now: datetime) -> str:
    """Return why the edge needs a new certificate for these names; empty if it does not."""
    facts = read_facts(folder)
    if facts is None:
        return "the edge has no certificate for agents yet" if not (folder / _EDGE).exists() else "its file was changed"
    if set(facts.names) != set(names):
        return "the edge's names have changed"
    left = facts.ends - now.timestamp()
    return f"it expires on {format_date(facts.ends)}" if left < _RENEW_BELOW * (facts.ends - facts.begins) else ""


def ensure(folder: Path, names: Sequence[str], now: datetime) -> str:
    """Create the authority if there is none, and issue the edge's certificate if it is due.

    Returns why a certificate was issued, or an empty string. Raises AresmonError if the folder is not writable or the
    authority's file is incomplete.
    """
    why = renewal_reason(folder, names, now)
    if why:
        _make_folder(folder)
        # If the edge had a certificate, hosts trust its authority: a new one would cut them off silently.
        if not (folder / _NOW).exists() and not (folder / _EDGE).exists():
            files.write(folder / _NOW, _authority(now), mode=0o600)
        _issue(folder, names, now)
    return why


def read_facts(folder: Path) -> Facts | None:
    """Return the description of the edge's certificate; None if there is none, or the files have changed since."""
    try:
        facts = _facts_file(folder).read()
        return facts if facts is not None and facts.of == _digest(folder) else None
    except (OSError, AresmonError):
        return None


def _facts_file(folder: Path) -> JsonFile[Facts]:
    return JsonFile(folder / "edge.json", lambda data: Facts(**{**data, "names": tuple(data["names"])}), asdict)


def trusted_certificates(folder: Path) -> str:
    """Return the CA certificates that hosts must trust, in PEM: two while the authority is being rotated."""
    found = (certificates(folder / name) for name in (_NOW, NEXT))
    return "".join(found)


def change_hash(folder: Path) -> str:
    """Return a hash that changes with the edge's certificate; empty if there is none."""
    text = certificates(folder / _EDGE)
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


def install(folder: Path, target: Path, owner: int) -> None:
    """Copy the edge's certificate and key to `target`, readable by the edge only."""
    try:
        content = (folder / _EDGE).read_bytes()
    except OSError as error:
        raise AresmonError(f"{folder / _EDGE} cannot be read: {error.strerror}", hint="`aresmon up` again") from None
    if not target.exists() or target.read_bytes() != content:
        files.write(target, content, mode=0o600, owner=owner)


def find_problems(folder: Path, names: Sequence[str], target: Path, now: datetime) -> Iterator[CertificateWarning]:
    """Return what is wrong for agents now, or will be soon. Files that this process may not read are skipped."""
    facts = read_facts(folder)
    if facts is None:
        if trusted_certificates(folder):
            yield CertificateWarning(
                "the edge's certificate was not issued by the site's current authority", "`aresmon up` issues a new one"
            )
        return
    left = timedelta(seconds=facts.ends - now.timestamp())
    if left < _WARN_BEFORE:
        verb = "expired" if left < timedelta() else "expires"
        yield CertificateWarning(
            f"the edge's certificate for agents {verb} on {format_date(facts.ends)}", "`aresmon up` renews it"
        )
    elif set(facts.names) != set(names):
        yield CertificateWarning(
            "the edge's certificate does not cover all names that agents use", "`aresmon up` issues a new one"
        )
    elif _differs(folder / _EDGE, target):
        yield CertificateWarning(
            "the edge still uses its previous certificate for agents", "`aresmon up` installs the new one"
        )
    if facts.authority_ends - now.timestamp() < OF_EDGE.total_seconds():
        what = f"the site's certificate authority expires on {format_date(facts.authority_ends)}"
        yield CertificateWarning(what, "`aresmon authority rotate` creates the next one")


def list_authorities(folder: Path) -> list[AuthoritySummary]:
    """Return the authorities that hosts must trust: the one that signs, then the next one if there is one."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificates

    text = trusted_certificates(folder)
    found = load_pem_x509_certificates(text.encode()) if text else []
    return [AuthoritySummary(one.fingerprint(SHA256()).hex(), one.not_valid_after_utc) for one in found]


def is_changing(folder: Path) -> bool:
    """Return whether a next authority exists that does not sign yet."""
    return (folder / NEXT).exists()


def is_deployed(folder: Path, file: Path) -> bool:
    """Return whether this file, which pushes install on hosts, has the current CA certificates."""
    try:
        return file.read_text(encoding="ascii") == trusted_certificates(folder)
    except OSError:
        return False


def prepare_next(folder: Path, now: datetime) -> None:
    """Create the next authority."""
    files.write(folder / NEXT, _authority(now), mode=0o600)


def promote_next(folder: Path) -> None:
    """Make the next authority the one that signs. The edge's certificate is due for renewal from then on."""
    (folder / NEXT).replace(folder / _NOW)


# Issuing ---------------------------------------------------------------------------------------------


def _issue(folder: Path, names: Sequence[str], now: datetime) -> None:
    from cryptography.x509 import ExtendedKeyUsage, SubjectAlternativeName
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, signer = _whole(folder / _NOW)
    key = _new_key()
    ends = min(now + OF_EDGE, authority.not_valid_after_utc)
    begun = _begin("aresmon edge", key, now=now, ends=ends, issuer=authority)
    begun = begun.add_extension(SubjectAlternativeName([_name(one) for one in names]), critical=False)
    begun = begun.add_extension(ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    files.write(folder / _EDGE, _pem(_signed(begun, key, signer, authority), key), mode=0o600)
    facts = Facts(
        of=_digest(folder),
        names=tuple(names),
        begins=now.timestamp(),
        ends=ends.timestamp(),
        authority_ends=authority.not_valid_after_utc.timestamp(),
    )
    _facts_file(folder).write(facts)


def _authority(now: datetime) -> bytes:
    key = _new_key()
    # A unique name: with two authorities of the same name, a host would only report that signatures do not match.
    name = f"aresmon authority {now:%Y-%m-%d} {secrets.token_hex(4)}"
    begun = _begin(name, key, now=now, ends=now + OF_AUTHORITY, issuer=None)
    return _pem(_signed(begun, key, key, None), key)


def _begin(
    name: str, key: EllipticCurvePrivateKey, *, now: datetime, ends: datetime, issuer: Certificate | None
) -> CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begun = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
    begun = begun.public_key(key.public_key()).serial_number(x509.random_serial_number())
    return begun.not_valid_before(now - _BACKDATED).not_valid_after(ends)


def _signed(
    begun: CertificateBuilder,
    key: EllipticCurvePrivateKey,
    signer: EllipticCurvePrivateKey,
    authority: Certificate | None,
) -> Certificate:
    """Sign a certificate with its permitted uses. Without `authority` it is a self-signed CA certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    is_authority = authority is None
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": not is_authority}
    usage |= {"key_cert_sign": is_authority, "crl_sign": is_authority}
    constraints = x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None)
    begun = begun.add_extension(constraints, critical=True).add_extension(x509.KeyUsage(**usage), critical=True)
    begun = begun.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return begun.add_extension(by, critical=False).sign(signer, SHA256())


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> Any:
    from cryptography.x509 import DNSName, IPAddress

    try:
        return IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return DNSName(text)


def _pem(certificate: Certificate, key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    form, lock = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, form, lock
    )


# Reading ---------------------------------------------------------------------------------------------


def _whole(path: Path) -> tuple[Certificate, EllipticCurvePrivateKey]:
    """Read a certificate and its key. Raises AresmonError, without their content, if one is missing or invalid."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    try:
        content = path.read_bytes()
        certificate, key = load_pem_x509_certificates(content)[0], load_pem_private_key(content, password=None)
        if key.public_key() != certificate.public_key():
            raise ValueError
    except OSError as error:
        reason = error.strerror
    except (ValueError, IndexError):
        reason = "it does not contain a certificate and its key"
    else:
        return certificate, key  # type: ignore[return-value]
    raise AresmonError(
        f"{path} cannot be used: {reason}",
        hint=f"restore it from a backup; or delete {path.parent}, run `aresmon up`, then `aresmon push-config --all`: "
        "hosts need the new authority's certificate",
    )


def certificates(path: Path) -> str:
    """The certificates of a PEM file, without its private key; nothing where it cannot be read."""
    try:
        return "".join(_CERTIFICATE.findall(path.read_text(encoding="ascii")))
    except (OSError, UnicodeDecodeError):
        return ""


def _digest(folder: Path) -> str:
    """Return a digest of the authority's and the edge's certificates."""
    both = (certificates(folder / name) for name in (_NOW, _EDGE))
    return hashlib.sha256("\0".join(both).encode()).hexdigest()


def _differs(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() != other.read_bytes()
    except PermissionError:
        return False
    except OSError:
        return True


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def format_date(seconds: float) -> str:
    """`2027-11-24`"""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
