"""Archives in a bucket of Amazon S3 or of an S3-compatible server.

Source: boto3. Nothing is taken from the environment but a proxy: no key, no profile, no endpoint, no machine's role.
Checksums beyond MD5 are left out, since older S3-compatible servers refuse them; buckets are named in the path, as all
of these support that. An archive exists once its upload is completed, and not before.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from builtins import list as listing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aresmon.backup.storage import base
from aresmon.backup.storage.base import PIECE, Pieces, Readable, StoredArchive, StoreError
from aresmon.config.backup import Bucket
from aresmon.system.errors import AresmonError

_LEAST_PART = 8 << 20  # bytes; 5 MiB are the least that S3 takes
_PARTS = 1000
"""After so many parts they get larger: S3 accepts at most 10,000, and the length of a stream is not known."""
_KEY = "aresmon backup secret"

_ERRORS = {
    "InvalidAccessKeyId": ("the access key is unknown", "check `access_key` in `backup.to`"),
    "XAdminUserNotFound": ("the access key is unknown", "check `access_key` in `backup.to`"),
    "SignatureDoesNotMatch": ("the secret does not belong to the access key", f"`{_KEY} NAME` sets the right one"),
    "AccessDenied": ("the access key lacks a permission", "allow it to list, get, put and delete in this bucket"),
    "NoSuchBucket": ("there is no bucket of this name", "create it, or check `bucket` in `backup.to`"),
    "RequestTimeTooSkewed": (
        "its clock and that of this machine differ too much",
        "`timedatectl` shows what sets the clock",
    ),
    "PermanentRedirect": ("the bucket is in another region", "set `region` in `backup.to`"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "set `region` in `backup.to`"),
    "QuotaExceeded": ("its quota is used up", "free some space there, or keep fewer archives: `backup.keep`"),
    "XMinioStorageFull": ("its disk is full", "free some space there, or keep fewer archives: `backup.keep`"),
    "InsufficientStorage": ("its disk is full", "free some space there, or keep fewer archives: `backup.keep`"),
    "SlowDown": ("it is overloaded", "try again later"),
    "403": ("the access key lacks a permission", "check `access_key`, its secret, and its permissions for this bucket"),
}
_ABSENT = ("404", "NoSuchKey", "NotFound", "NoSuchUpload")


@dataclass(frozen=True)
class S3Store:
    """A store (see `base.Store`). `secret` returns the secret access key."""

    site: str
    bucket: Bucket
    secret: Callable[[], str] = field(repr=False)

    @property
    def where(self) -> str:
        place = f"s3://{self.bucket.name}/{self.bucket.prefix}".rstrip("/")
        host = self.bucket.endpoint.partition("://")[2]
        return f"{place} at {host}" if host else place

    def put(self, name: str, pieces: Iterable[bytes], size: int | None = None) -> None:
        base.check_name(self.site, name)
        key = self._key(name)
        with self._storage_errors(name):
            self._abort_unfinished()
            if self._is_there(key):
                raise base.exists_error(self.where, name)
            upload = self._client.create_multipart_upload(Bucket=self.bucket.name, Key=key)["UploadId"]
        try:
            parts = self._upload(key, upload, base.check_size(pieces, size, self.where))
            with self._storage_errors(name):
                self._call("complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(Exception):  # the next upload aborts what is left of it
                self._call("abort_multipart_upload", key, UploadId=upload)
            raise

    @contextmanager
    def get(self, name: str) -> Iterator[Readable]:
        base.check_name(self.site, name)
        with self._storage_errors(name):
            found = self._call("get_object", self._key(name))
        body = found["Body"]
        try:
            yield Pieces(self._pieces(body, name, found["ContentLength"]))
        finally:
            body.close()

    def list(self) -> listing[StoredArchive]:
        found: listing[StoredArchive | None] = []
        with self._storage_errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket.name, Prefix=self._key(f"{self.site}-"), Delimiter="/"):
                for one in page.get("Contents", []):
                    found.append(base.parse_name(self.site, one["Key"].rpartition("/")[2], one["Size"]))
        return base.sort_archives(found)

    def delete(self, name: str) -> None:
        base.check_name(self.site, name)
        with self._storage_errors(name):
            self._call("delete_object", self._key(name))

    def free(self) -> int | None:
        return None

    def _upload(self, key: str, upload: str, pieces: Iterable[bytes]) -> listing[dict[str, Any]]:
        """Send the parts; return what `complete_multipart_upload` needs about them."""
        parts: listing[dict[str, Any]] = []
        for number, part in enumerate(_parts(pieces), start=1):
            md5 = base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()
            with self._storage_errors(key):
                sent = self._call("upload_part", key, UploadId=upload, PartNumber=number, Body=part, ContentMD5=md5)
            parts.append({"ETag": sent["ETag"], "PartNumber": number})
        return parts

    def _pieces(self, body: Any, name: str, size: int) -> Iterator[bytes]:
        came = 0
        while True:
            with self._storage_errors(name):
                piece: bytes = body.read(PIECE)
            came += len(piece)
            if not piece:
                break
            yield piece
        if came != size:
            raise StoreError(
                f"{self.where}: the transfer of {name} ended after {came} of {size} bytes", hint="try again"
            )

    def _is_there(self, key: str) -> bool:
        """Use a list request: the answer to HEAD has no body to say what is wrong with a key or a bucket."""
        found = self._client.list_objects_v2(Bucket=self.bucket.name, Prefix=key, MaxKeys=1)
        return any(one["Key"] == key for one in found.get("Contents", []))

    def _abort_unfinished(self) -> None:
        """Abort the uploads of this site's archives that a killed run left: they use space, and are not listed.

        A store that does not support this, or an access key without the permission, is not an error.
        """
        from botocore.exceptions import ClientError

        with suppress(ClientError):
            found = self._client.list_multipart_uploads(Bucket=self.bucket.name, Prefix=self._key(f"{self.site}-"))
            for one in found.get("Uploads", []):
                if base.parse_name(self.site, one["Key"].rpartition("/")[2], 0):
                    self._call("abort_multipart_upload", one["Key"], UploadId=one["UploadId"])

    def _key(self, name: str) -> str:
        return f"{self.bucket.prefix}/{name}" if self.bucket.prefix else name

    def _call(self, operation: str, key: str, **details: Any) -> Any:
        return getattr(self._client, operation)(Bucket=self.bucket.name, Key=key, **details)

    @functools.cached_property
    def _client(self) -> Any:
        return _connected(self.bucket, self.secret())

    @contextmanager
    def _storage_errors(self, name: str = "") -> Iterator[None]:
        """Turn errors of the store into StoreError."""
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            yield
        except ClientError as error:
            raise self._refused(error, name) from None
        except (BotoCoreError, HTTPClientError) as error:
            raise StoreError(
                f"{self.where} cannot be reached: {_without_address(error)}",
                hint="check `endpoint` in `backup.to`, and that this machine can reach it",
            ) from None
        except StoreError:
            raise
        except AresmonError as error:  # of the secret
            raise StoreError(f"{self.where}: {error.message}", hint=error.hint) from None

    def _refused(self, error: Any, name: str) -> StoreError:
        code = _code(error)
        if code in _ABSENT:
            return base.missing_error(f"{self.where}/{name}")
        what, hint = _ERRORS.get(
            code, (f"it rejected the request: {code} {error.response['Error'].get('Message', '')}".strip(), "")
        )
        return StoreError(f"{self.where}: {what}", hint=hint.replace("NAME", self.bucket.secret))


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts for S3, at least one. One part is in memory at a time."""
    part, number = bytearray(), 0
    for piece in pieces:
        part += piece
        while len(part) >= (least := _LEAST_PART * (1 + number // _PARTS)):
            with memoryview(part) as whole:
                sent = bytes(whole[:least])
            del part[:least]
            yield sent
            number += 1
    if part or not number:
        yield bytes(part)


def _connected(bucket: Bucket, secret: str) -> Any:
    """A boto3 client that uses only these settings."""
    import boto3
    import botocore.session
    from botocore.config import Config

    nowhere = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
        "ca_bundle": (None, None, None, None),
    }
    session = boto3.session.Session(
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=secret,
        region_name=bucket.region,
        botocore_session=botocore.session.Session(session_vars=nowhere),
    )
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=10,
        read_timeout=60,
    )
    return session.client("s3", endpoint_url=bucket.endpoint or None, config=config)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _without_address(error: BaseException) -> str:
    """The message of botocore on one line, without addresses, which contain the signature of the request."""
    words = [word for word in str(error).split() if "://" not in word]
    return " ".join(words)
