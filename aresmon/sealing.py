"""Secrets for a place that is not ours: in the age format, with a passphrase, so that `age -d` opens them without us.

Source: age-encryption.org/v1, recipient type scrypt.
"""

from __future__ import annotations

from aresmon.errors import AresmonError


class WrongPassphraseError(AresmonError):
    """What is sealed does not open with this passphrase."""

    def __init__(self) -> None:
        super().__init__(
            "the archive's secrets do not open with this passphrase",
            hint="it is the one that `aresmon backup passphrase` showed when the archive was made; without it the rest "
            "can be restored: --without-secrets",
        )


def seal(content: bytes, passphrase: str) -> bytes:
    """Encrypt with a passphrase."""
    import pyrage

    return bytes(pyrage.passphrase.encrypt(content, passphrase))


def unseal(content: bytes, passphrase: str) -> bytes:
    """Decrypt. Raises WrongPassphraseError for another passphrase, and for what was changed."""
    import pyrage

    try:
        return bytes(pyrage.passphrase.decrypt(content, passphrase))
    except pyrage.DecryptError:
        raise WrongPassphraseError from None
