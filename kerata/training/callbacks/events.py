"""Event files, which TensorBoard reads: records of protocol buffers, written byte by byte.

A record is its length, the bytes of an `Event` and checksums of both. Of the messages (`Event`,
`Summary`, `TensorProto`, `GraphDef`) only the fields are known here that are written; their
numbers are those of TensorFlow's `.proto` files.
"""

import io
import itertools
import os
import socket
import struct
import time

import numpy as np

_count = itertools.count()
_DOUBLE, _STRING = 2, 7  # of `DataType`
_TENSOR, _BLOB = 2, 3  # of `DataClass`


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def checksum(data: bytes) -> int:
    """Return the masked CRC-32C (Castagnoli) of a record."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def integer(field: int, value: int) -> bytes:
    """Return an integer field of a message."""
    return _varint(field << 3) + _varint(value)


def text(field: int, value: str | bytes) -> bytes:
    """Return a field of a message that holds text, bytes, or another message."""
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def scalar(tag: str, value) -> bytes:
    """Return a value of a `Summary`: a number."""
    return text(1, text(1, tag) + _varint(2 << 3 | 5) + struct.pack("<f", float(value)))


def _tensor_value(tag: str, plugin: str, data_class: int, tensor: bytes) -> bytes:
    metadata = text(1, text(1, plugin)) + integer(4, data_class)
    return text(1, text(1, tag) + text(8, tensor) + text(9, metadata))


def histogram(tag: str, values, bins: int = 30) -> bytes:
    """Return a value of a `Summary`: how many of an array's elements lie in each of `bins` bins."""
    values = np.asarray(values, "float64").reshape(-1)
    values = values[np.isfinite(values)]
    counts, edges = np.histogram(values, bins)
    rows = np.stack([edges[:-1], edges[1:], counts], axis=1)
    shape = b"".join(text(2, integer(1, size)) for size in rows.shape)
    tensor = integer(1, _DOUBLE) + text(2, shape) + text(4, rows.astype("<f8").tobytes())
    return _tensor_value(tag, "histograms", _TENSOR, tensor)


def image(tag: str, pixels) -> bytes:
    """Return a value of a `Summary`: pictures, `(pictures, height, width, channels)` in [0, 1]."""
    from PIL import Image

    pixels = np.round(255 * np.clip(pixels, 0, 1)).astype("uint8")
    _, height, width, channels = pixels.shape
    parts = [str(width), str(height)]
    encoded: list = []
    for picture in pixels:
        file = io.BytesIO()
        Image.fromarray(picture[..., 0] if channels == 1 else picture).save(file, "PNG")
        encoded.append(file.getvalue())
    strings = [*parts, *encoded]
    shape = text(2, integer(1, len(strings)))
    tensor = integer(1, _STRING) + text(2, shape) + b"".join(text(8, x) for x in strings)
    return _tensor_value(tag, "images", _BLOB, tensor)


def graph(nodes) -> bytes:
    """Return a `GraphDef`.

    Args:
        nodes: triples (name, kind of operation, names of the nodes that it gets its inputs from).
    """
    return b"".join(
        text(1, text(1, name) + text(2, kind) + b"".join(text(3, x) for x in inputs))
        for name, kind, inputs in nodes
    )


class EventFile:
    """A new event file in a folder, which is made if it is not there.

    Args:
        folder: the folder.
    """

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        name = f"{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.{next(_count)}"
        self.path = os.path.join(folder, f"events.out.tfevents.{name}")
        self._file = open(self.path, "xb")
        self._write(text(3, "brain.Event:2"))

    def add(self, step: int, *values: bytes) -> None:
        """Write values of a `Summary` that belong to a step."""
        self._write(integer(2, step) + text(5, b"".join(values)))

    def add_graph(self, graph: bytes) -> None:
        """Write a `GraphDef`."""
        self._write(text(4, graph))

    def _write(self, event: bytes) -> None:
        event = _varint(1 << 3 | 1) + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(event))
        self._file.write(length + struct.pack("<I", checksum(length)))
        self._file.write(event + struct.pack("<I", checksum(event)))

    def flush(self) -> None:
        """Let others see what was written."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
