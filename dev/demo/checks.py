"""What the demo proves by itself, without asking the program that it shows."""

import hashlib
import json
import tarfile
from pathlib import Path

from local_aws.leaks import files_with_value


def differences(archive: Path, manifest: Path, secrets: set[str]) -> list[str]:
    """Where archive, manifest and account disagree."""
    told = json.loads(manifest.read_text(encoding="utf-8"))
    faults = []
    if sha256(archive.read_bytes()) != told["archive"]["sha256"]:
        faults.append("the archive's SHA-256 is not the one in the manifest")
    names = set()
    found = {}
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member)
            assert content is not None, f"{member.name} is not a file"
            data = content.read()
            found[member.name] = sha256(data)
            if member.name.endswith("-config.json"):
                names.add(json.loads(data)["Name"])
    # The manifest inside cannot name itself.
    found.pop(f"{told['name']}/manifest.json", None)
    if found != {entry["path"]: entry["sha256"] for entry in told["entries"]}:
        faults.append("the files in the archive are not those in the manifest")
    if names != secrets:
        faults.append(f"in the archive or in the account only: {sorted(names ^ secrets)}")
    return faults


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def leaks(folder: Path) -> tuple[list[str], int]:
    found, number = files_with_value(folder)
    return [str(path.relative_to(folder)) for path in found], number
