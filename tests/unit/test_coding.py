"""Codings, read by decoders that are not ours."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.coding import GZIP, ZSTD, Coding, zstd

BOTH = pytest.mark.parametrize("coding", [GZIP, ZSTD], ids=["gzip", "zstd"])


def read(coding: Coding, coded: bytes) -> bytes:
    return gzip.decompress(coded) if coding is GZIP else zstd.decompress(coded)


def readable(coding: Coding, coded: bytes) -> tuple[bytes, bool]:
    """What can be read of a body so far, and whether it is whole."""
    reader = zlib.decompressobj(31) if coding is GZIP else zstd.ZstdDecompressor()
    return reader.decompress(coded), reader.eof


@BOTH
@given(body=st.binary(max_size=5000))
def test_a_body_is_the_same_when_it_is_read(coding: Coding, body: bytes) -> None:
    assert read(coding, coding.whole(body)) == body


@BOTH
def test_the_same_body_gives_the_same_bytes(coding: Coding) -> None:
    assert coding.whole(b"status" * 1000) == coding.whole(b"status" * 1000)


@BOTH
@given(parts=st.lists(st.binary(max_size=500), max_size=6))
def test_every_part_of_a_stream_can_be_read_as_it_comes(coding: Coding, parts: list[bytes]) -> None:
    compressor, coded, so_far = coding.compressor(), b"", b""

    for part in parts:
        coded, so_far = coded + compressor.add(part), so_far + part
        assert readable(coding, coded) == (so_far, False)

    assert readable(coding, coded + compressor.end()) == (so_far, True)
