"""Looks for the planted secret values in whatever a job leaves behind: texts, archives, whole folders.

with_value(data) is true for a value in plain, in base64 at any offset, in hexadecimal, and inside gzip, tar or zip.
"""

import base64
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = b"CANARY-VALUE-"


def encoded(mark: bytes) -> list[bytes]:
    """The mark as it may appear. In base64 it depends on where in a group of three bytes it begins."""
    forms = [mark, mark.hex().encode(), mark.hex().upper().encode()]
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + mark)
        # The characters at both ends also depend on the bytes around the mark.
        first, last = -(-offset * 4 // 3), (offset + len(mark)) * 8 // 6
        forms += [text[first:last], text[first:last].translate(bytes.maketrans(b"+/", b"-_"))]
    return forms


FORMS = encoded(MARK)


def with_value(data: bytes | str) -> bool:
    raw = data.encode() if isinstance(data, str) else data
    return any(form in raw for form in FORMS) or any(with_value(part) for part in unpacked(raw))


def unpacked(data: bytes) -> Iterator[bytes]:
    """What lies in an archive. A damaged or cut one is read as far as it goes."""
    if data.startswith(b"\x1f\x8b"):
        unzip, content = zlib.decompressobj(wbits=31), b""
        with suppress(zlib.error):
            for start in range(0, len(data), 4096):
                content += unzip.decompress(data[start : start + 4096])
        yield content
    elif data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as files:
            yield from (files.read(name) for name in files.namelist())
    elif data[257:262] == b"ustar":
        # The names of files matter too; their contents lie in the archive as they are.
        with tarfile.open(fileobj=io.BytesIO(data)) as files:
            yield from (member.name.encode() for member in files)


def files_with_value(folder: Path) -> tuple[list[Path], int]:
    """The files below `folder` that hold a value, or have one in their name, and how many were read."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if with_value(str(path)) or with_value(path.read_bytes())], len(files)
