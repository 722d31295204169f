"""The search for leaked values: a search that finds nothing must be one that could find something."""

import base64
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from local_aws.leaks import files_with_value, with_value
from local_aws.secrets_seed import marked_value

VALUE = marked_value("goal-mandala-prod-binary").encode()


def tar(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", content)
    return out.getvalue()


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_at_any_offset(before: int, encode: object) -> None:
    assert with_value(b"x" + encode(b"?" * before + VALUE + b"?"))  # type: ignore[operator]


@pytest.mark.parametrize(
    "data",
    [
        VALUE,
        b"before " + VALUE + b" after",
        json.dumps({"message": VALUE.decode()}).encode(),
        VALUE.hex().encode(),
        gzip.compress(VALUE),
        gzip.compress(b"x" * 10_000 + VALUE)[:-8],
        tar("a.json", VALUE),
        tar(VALUE.decode(), b""),
        zipped(VALUE),
    ],
)  # fmt: skip
def test_finds(data: bytes) -> None:
    assert with_value(data)


@pytest.mark.parametrize("data", [b"", b"CANARY", b"goal-mandala-prod-secrets-ops-canary", tar("a.json", b"{}")])
def test_leaves_alone(data: bytes) -> None:
    assert not with_value(data)


def test_reads_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bad.log").write_bytes(VALUE)
    (tmp_path / "good.log").write_text("fine")
    assert files_with_value(tmp_path) == ([tmp_path / "a" / "bad.log"], 2)
