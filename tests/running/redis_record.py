"""All that anybody asks of a Redis, written to a file while it runs."""

import socket
import threading
from pathlib import Path


class RedisRecord:
    """Copies what `MONITOR` tells.

    Args:
        path: the server's socket.
        password: its password.
        file: what is written to.
    """

    def __init__(self, path: str, password: str, file: Path) -> None:
        self._link = socket.socket(socket.AF_UNIX)
        self._link.connect(path)
        self._link.sendall(f"AUTH {password}\r\nMONITOR\r\n".encode())
        self._thread = threading.Thread(target=self._copy, args=(file,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, with all of it written."""
        self._link.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._link.close()

    def _copy(self, file: Path) -> None:
        with file.open("wb") as record:
            while chunk := self._link.recv(64 * 1024):
                record.write(chunk)
