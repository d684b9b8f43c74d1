"""Bytes of uploads under way: each is spooled to a disk that all share, so that its room has to be."""

from types import TracebackType
from typing import Self

from polling_api.errors import TooMany, Unavailable

_AGAIN_AFTER = 10  # seconds said to who is refused; an upload of 200 MB at a usual rate takes as long


class Uploads:
    """Counts the bytes of uploads under way.

    Args:
        by_party: bytes at once for one key, the largest upload at least.
        process: bytes at once for this process.
    """

    def __init__(self, by_party: int, process: int) -> None:
        self._by_party = by_party
        self._process = process
        self._sizes: dict[str, int] = {}
        self._whole = 0

    def __len__(self) -> int:
        return self._whole

    def begin(self, key: str) -> "Upload":
        """An upload of the party `key`, for as long as a `with` block runs."""
        return Upload(self, key)

    def add(self, key: str, size: int) -> None:
        """Count `size` more bytes; see `Upload.add`."""
        mine = self._sizes.get(key, 0)
        if mine + size > self._by_party:
            raise TooMany(
                f"Uploads of yours under way come to more than {self._by_party} bytes; send one after the other.",
                code="too_many_uploads",
                retry_after=_AGAIN_AFTER,
            )
        if self._whole + size > self._process:
            raise Unavailable("This process takes in as much as it can.", code="overloaded", retry_after=_AGAIN_AFTER)
        self._sizes[key] = mine + size
        self._whole += size

    def subtract(self, key: str, size: int) -> None:
        """Count `size` bytes less."""
        self._whole -= size
        left = self._sizes.get(key, 0) - size
        if left > 0:
            self._sizes[key] = left
        else:
            self._sizes.pop(key, None)


class Upload:
    """One upload under way."""

    __slots__ = ("_key", "_size", "_uploads")

    def __init__(self, uploads: Uploads, key: str) -> None:
        self._uploads = uploads
        self._key = key
        self._size = 0

    def add(self, size: int) -> None:
        """Count the next `size` bytes, before they are kept.

        Raises:
            TooMany: the party sends too much at once.
            Unavailable: the process takes in as much as it can.
        """
        self._uploads.add(self._key, size)
        self._size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uploads.subtract(self._key, self._size)
