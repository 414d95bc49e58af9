"""Run on the server, by its own Python: standard input and output, to and from a Unix socket."""

import os
import socket
import sys
import threading


def main(path: str) -> None:
    """Pass on, until one side has no more to say."""
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(path)

    def upwards() -> None:
        while data := os.read(0, 65536):
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)

    threading.Thread(target=upwards, daemon=True).start()
    while data := peer.recv(65536):
        os.write(1, data)


if __name__ == "__main__":
    main(sys.argv[1])
