"""Answers MongoDB's wire protocol with the documents of a JSON file, on port 27017.

Source: MongoDB manual, "MongoDB Wire Protocol" (OP_MSG, OP_QUERY and OP_REPLY), and bsonspec.org.
In the file, {"$date": S} and {"$timestamp": S} are times in seconds since 1970.
"""

from __future__ import annotations

import json
import socketserver
import struct
import sys
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Long(int):
    """A number that is sent with 64 bits, however small."""


OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
}


def document(values: Document) -> bytes:
    """A document in BSON."""
    body = b"".join(element(name, value) for name, value in values.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def element(name: str, value: Any) -> bytes:
    kind, data = encoded(value)
    return bytes((kind,)) + name.encode() + b"\0" + data


def encoded(value: Any) -> tuple[int, bytes]:
    """The type of a value in BSON, and its bytes."""
    if isinstance(value, bool):
        return 0x08, bytes((value,))
    if isinstance(value, int):
        is_short = abs(value) < 2**31 and not isinstance(value, Long)
        return (0x10, struct.pack("<i", value)) if is_short else (0x12, struct.pack("<q", value))
    if isinstance(value, float):
        return 0x01, struct.pack("<d", value)
    if isinstance(value, str):
        return 0x02, struct.pack("<i", len(value.encode()) + 1) + value.encode() + b"\0"
    if isinstance(value, list):
        return 0x04, document({str(index): one for index, one in enumerate(value)})
    if "$date" in value:
        return 0x09, struct.pack("<q", value["$date"] * 1000)
    if "$timestamp" in value:
        return 0x11, struct.pack("<II", 1, value["$timestamp"])
    return 0x03, document(value)


def command_of(body: bytes) -> tuple[str, bytes]:
    """The name of a command, which is the first of its document, and the whole document."""
    return body[5 : body.index(b"\0", 5)].decode(), body


def answer(name: str, asked: bytes, documents: Document) -> Document:
    if name in ("hello", "isMaster", "ismaster"):
        return HELLO
    if name == "find":  # the oldest entry of the oplog, or the newest
        newest = b"$natural\0\xff\xff\xff\xff" in asked
        entry = {"ts": {"$timestamp": documents["oplog"]["newest" if newest else "oldest"]}}
        return {"cursor": {"firstBatch": [entry], "id": Long(0), "ns": "local.oplog.rs"}, "ok": 1.0}
    if name in ("ping", "endSessions"):
        return {"ok": 1.0}
    if name in documents:
        return {**documents[name], "ok": 1.0}
    return {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": f"no such command: '{name}'"}


class Client(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while len(head := self.rfile.read(16)) == 16:
            length, request, _, operation = struct.unpack("<iiii", head)
            body = self.rfile.read(length - 16)
            documents = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
            if operation == OP_QUERY:
                start = body.index(b"\0", 4) + 9
                payload = struct.pack("<iqii", 8, 0, 0, 1) + document(answer(*command_of(body[start:]), documents))
                self.send(request, OP_REPLY, payload)
            else:
                payload = struct.pack("<iB", 0, 0) + document(answer(*command_of(body[5:]), documents))
                self.send(request, OP_MSG, payload)

    def send(self, request: int, operation: int, payload: bytes) -> None:
        self.wfile.write(struct.pack("<iiii", len(payload) + 16, 1, request, operation) + payload)


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", 27017), Client).serve_forever()
