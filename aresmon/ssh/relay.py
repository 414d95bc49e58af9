"""Runs in the server's own Python: connects standard input and output to a Unix socket."""

import os
import socket
import sys
import threading


def main(path: str) -> None:
    """Copy both ways until one side closes."""
    peer = socket.socket(socket.AF_UNIX)
    # The address of a Unix socket is limited to 108 bytes; a site's folder may be longer than that.
    folder, _, name = path.rpartition("/")
    os.chdir(folder)
    peer.connect(name)

    def send() -> None:
        while data := os.read(0, 65536):
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    while data := peer.recv(65536):
        os.write(1, data)


if __name__ == "__main__":
    main(sys.argv[1])
