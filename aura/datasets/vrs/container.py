"""The VRS container: a header, a description record (tags), an index record and the user records.

All of it is little-endian. The index gives each record's size in disk order, so offsets are a
running sum.
"""

import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aura.datasets.vrs.data_layout import field_offsets
from aura.datasets.vrs.walk import record_offsets
from aura.errors import CorruptFile


def packed_dtype(spec: str) -> np.dtype:
    """Packed structured type of space-separated name:format pairs."""
    return np.dtype([(name, form) for name, form in (item.split(":") for item in spec.split())])


FILE_HEADER = packed_dtype(
    "magic:S8 creation_id:<u8 header_size:<u4 record_header_size:<u4 index_offset:<i8 "
    "description_offset:<i8 first_record_offset:<i8 reserved:V24 magic_end:S4 version:S4"
)
RECORD_HEADER = packed_dtype(
    "size:<u4 previous_size:<u4 type_id:<i4 format_version:<u4 timestamp:<f8 instance:<u2 "
    "record_type:u1 compression:u1 uncompressed_size:<u4"
)
INDEX_ENTRY = packed_dtype("timestamp:<f8 size:<u4 record_type:u1 type_id:<i4 instance:<u2")
INDEX_TYPE_ID, DESCRIPTION_TYPE_ID = 1, 2
RECORD_TYPES = {"Configuration": 2, "Data": 3}
_MAX_TAG_BYTES = 4 << 20  # real files have 32 KiB of tags; bounds what hostile ones cost

StreamId = tuple[int, int]  # type id and instance
Tags = dict[str, str]


class StreamFile:
    """Memory map of a VRS file, with the tags and record headers of one of its streams.

    Parameters
    ----------
    path : Path
        The file.
    stream_of : callable
        Tags of the file -> type id and instance of the stream.

    Attributes
    ----------
    data : np.ndarray
        (bytes,) uint8, the whole file.
    file_tags, tags : dict of str to str
        Tags of the file and of the stream.
    headers : np.ndarray
        (R,) `RECORD_HEADER` of the stream's records, in disk order.
    offsets : np.ndarray
        (R,) where each of them begins, in bytes.
    index_lost : bool
        The file has no usable index, and its records were found one by one.
    """

    def __init__(self, path: Path, stream_of: Callable[[Tags], StreamId]) -> None:
        if not path.is_file():
            raise CorruptFile("there is no such file")
        self.data = np.asarray(np.memmap(path, np.uint8, "r"))
        header = np.frombuffer(self.data, FILE_HEADER, 1)[0]
        marks = header[["magic", "magic_end", "record_header_size"]].item()
        if marks != (b"VisionRe", b"cord", RECORD_HEADER.itemsize):
            raise CorruptFile("it is not a VRS file")
        _, body, description_end = self._record(header, "description", DESCRIPTION_TYPE_ID)
        streams, self.file_tags = parse_tags(memoryview(body[:_MAX_TAG_BYTES].tobytes()))
        stream = stream_of(self.file_tags)
        if stream not in streams:
            raise CorruptFile("the recording has no such stream")
        self.tags = streams[stream]
        start = int(header["first_record_offset"]) or description_end
        self.index_lost = False
        try:
            entries = self._index(header)
        except Exception as error:  # hostile bytes make numpy and pyarrow raise anything
            entries = self._rebuilt_index(header, max(start, description_end), error)
            self.index_lost = True
        sizes = entries["size"].astype(np.int64)
        if sizes.min() < RECORD_HEADER.itemsize or start < description_end:
            raise ValueError("records overlap each other or the description")
        total = start + int(sizes.sum())
        if total > self.data.size:
            raise CorruptFile(f"it is cut short at {self.data.size} of {total} bytes")
        offsets = start + np.cumsum(sizes) - sizes
        headers = _gather(self.data, offsets, RECORD_HEADER)
        by_index, by_header = (
            (table["type_id"] == stream[0]) & (table["instance"] == stream[1])
            for table in (entries, headers)
        )
        self.headers, self.offsets = _select(headers, by_index), offsets[by_index]
        index = _select(entries, by_index)
        pairs = [(index[name], self.headers[name]) for name in INDEX_ENTRY.names or ()]
        if (by_index != by_header).any() or any(a.tobytes() != b.tobytes() for a, b in pairs):
            raise CorruptFile("its index disagrees with its records")

    def _index(self, header: np.void) -> np.ndarray:
        """Index entries (records,) of all streams."""
        record, body, _ = self._record(header, "index", INDEX_TYPE_ID)
        start = 8 + 6 * int(body[:4].view("<u4")[0])  # past the list of streams
        count = int(body[start - 4 : start].view("<u4")[0])
        if count > self.data.size // RECORD_HEADER.itemsize:
            raise ValueError("the index promises more records than the file has room for")
        packed = body[start:]
        if record["compression"]:
            packed = _decompress(packed, record["compression"], count * INDEX_ENTRY.itemsize)
        return np.frombuffer(packed, INDEX_ENTRY, count)

    def _rebuilt_index(self, header: np.void, start: int, error: Exception) -> np.ndarray:
        """The entries that an index would have, from the records; `error` where they are broken."""
        try:
            offsets = record_offsets(self.data, start, int(header["index_offset"]))
        except CorruptFile:
            raise error from None
        if len(offsets) < 2:
            raise error
        headers = _gather(self.data, offsets[:-1], RECORD_HEADER)
        entries = np.empty(len(headers), INDEX_ENTRY)
        for name in INDEX_ENTRY.names or ():
            entries[name] = headers[name]
        return entries

    def _record(self, header: np.void, name: str, type_id: int) -> tuple[np.void, np.ndarray, int]:
        """Header, body and end of a record of the file's own."""
        offset = int(header[f"{name}_offset"])
        record = np.frombuffer(self.data, RECORD_HEADER, 1, offset)[0]
        start, end = offset + RECORD_HEADER.itemsize, offset + int(record["size"])
        supported = (record["type_id"], record["format_version"]) == (type_id, 2)
        if not supported or not start <= end <= self.data.size:
            raise CorruptFile(f"its {name} is missing, incomplete or of an unsupported version")
        return record, self.data[start:end], end

    def count(self, kind: str) -> int:
        """Number of records of a kind."""
        return int((self.headers["record_type"] == RECORD_TYPES[kind]).sum())

    def columns(self, kind: str, fields: np.dtype, limit: int | None = None) -> list[np.ndarray]:
        """Fields of the first `limit` records; none where that takes projectaria-tools.

        Parameters
        ----------
        kind : str
            A name of `RECORD_TYPES`.
        fields : np.dtype
            Structured type of the fields to read.
        limit : int, optional
            How many records; None is all.

        Returns
        -------
        list of np.ndarray
            One (records, ...) a field, or none.

        Raises
        ------
        CorruptFile
            There is no such record, or no DataLayout that has the fields.
        """
        chosen = np.flatnonzero(self.headers["record_type"] == RECORD_TYPES[kind])[:limit]
        if not chosen.size:
            raise CorruptFile(f"the stream has no {kind.lower()} records")
        headers, offsets = _select(self.headers, chosen), self.offsets[chosen]
        codecs = headers["compression"]
        packed_sizes = headers["size"] - RECORD_HEADER.itemsize
        sizes = np.where(codecs, headers["uncompressed_size"], packed_sizes)
        places: list[tuple[int, np.dtype]] = []
        versions = np.unique(headers["format_version"])
        for version in versions:
            layout = self.tags.get(f"DL:{kind}:{version}:0")
            form = self.tags.get(f"RF:{kind}:{version}", "")
            if layout is None or not re.match(r"data_layout(/size=\d+)?(\+|$)", form):
                raise CorruptFile(f"some {kind.lower()} records have no DataLayout")
            places = field_offsets(layout, fields)
            needed = max(offset + dtype.itemsize for offset, dtype in places)
            if (sizes[headers["format_version"] == version] < needed).any():
                raise CorruptFile("it has records shorter than their DataLayout")
        data, starts = self.data, offsets + RECORD_HEADER.itemsize
        if versions.size > 1 or (codecs.any() and chosen.size > 1):
            return []
        if codecs.any():
            data, starts = _decompress(data[starts[0] :], codecs[0], needed), np.zeros(1, np.int64)
        first = min(offset for offset, _ in places)
        rows = _gather(
            data,
            starts + first,
            np.dtype(
                {
                    "names": list(fields.names or ()),
                    "formats": [dtype for _, dtype in places],
                    "offsets": [offset - first for offset, _ in places],
                    "itemsize": needed - first,
                }
            ),
        )
        return [np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()]


def _gather(data: np.ndarray, offsets: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The item at each byte offset; a view with one item per byte makes it a single take."""
    items = np.ndarray((data.size - dtype.itemsize + 1,), f"V{dtype.itemsize}", data, 0, (1,))
    return items[offsets].view(dtype.base).reshape(-1, *dtype.shape)


def _select(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Rows of a structured array, copied as bytes and not field by field."""
    return rows.view(f"V{rows.itemsize}")[chosen].view(rows.dtype)


def parse_tags(raw: memoryview) -> tuple[dict[StreamId, Tags], Tags]:
    """VRS tags of each stream, and the file's, from the body of the description record."""

    def unpack(form: str) -> tuple:
        nonlocal raw
        values, raw = struct.unpack_from(form, raw), raw[struct.calcsize(form) :]
        return values

    def text() -> str:
        return unpack(f"<{unpack('<I')[0]}s")[0].decode(errors="replace")

    def tags() -> Tags:
        return {text(): text() for _ in range(*unpack("<I"))}

    streams = {}
    for _ in range(*unpack("<I")):
        key, _user, streams[key] = unpack("<iH"), tags(), tags()
    return streams, tags()


def _decompress(packed: np.ndarray, codec: int, size: int) -> np.ndarray:
    """The first `size` bytes of a compressed block; what follows its frame is ignored."""
    import pyarrow as pa  # slow to import and rarely needed

    source = pa.BufferReader(pa.py_buffer(packed))
    raw = pa.CompressedInputStream(source, {1: "lz4", 2: "zstd"}[int(codec)]).read(size)
    return np.frombuffer(raw, np.uint8, size)
