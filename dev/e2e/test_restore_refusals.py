"""What `secrets-ops restore` and `backup diff` refuse, and that nothing is changed then: plans that are not what was
approved, and archives that are not what was backed up.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from estate import CLEAN, FAILED, INCOMPLETE, PREFIX, WRONG_USE, Estate
from lab import ACCOUNT, REGION

# --- Plans


@pytest.fixture
def planned(estate: Estate) -> Estate:
    estate.seed({"name": "x", "kms_key": "secrets", "tags": {"a": "b"}})
    estate.backup()
    estate.wipe()
    estate.plan()
    estate.aws.reset()
    return estate


THERE = f"it was made for account {ACCOUNT} in {REGION}; these credentials and options lead to account"
APPROVED = ["--approve", "<hash>"]
# What is replaced in the plan, options, environment, and what is said.
REFUSED: dict[str, tuple[tuple[str, str], list[str], dict[str, str], str]] = {
    "altered": (('"object": "x"', '"object": "w"'), APPROVED, {}, "it was altered after it was made: its hash is "),
    "expired": (("", ""), [*APPROVED, "--as-of", "2099-01-01"], {}, "Make a new plan, since the estate may have"),
    "other Region": (("", ""), [*APPROVED, "--region", "us-east-1"], {}, f"{THERE} {ACCOUNT} in us-east-1"),
    "other account": (("", ""), APPROVED, {"AWS_ACCESS_KEY_ID": "210987654321"}, f"{THERE} 210987654321 in {REGION}"),
    "wrong hash": (("", ""), ["--approve", "00000000"], {}, '"00000000" was given'),
    "short hash": (("", ""), ["--approve", "<7>"], {}, "not approved: the plan's hash is "),
    "nobody there": (("", ""), [], {}, "nobody is here to approve the plan: read it, then give its hash with"),
    "later schema": (
        ("restore-plan/v1", "restore-plan/v2"), APPROVED, {},
        'its schema is "secrets-ops/restore-plan/v2"; this command applies secrets-ops/restore-plan/v1',
    ),
    "no plan": (("{", "["), APPROVED, {}, "this is not a plan of this kind: "),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_plan_is_refused(planned: Estate, what: str) -> None:
    (text, other), words, env, said = REFUSED[what]
    path, approval = planned.file("plan.json"), planned.approval()
    assert text in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(text, other, 1), "utf-8")
    words = [word.replace("<hash>", approval).replace("<7>", approval[:7]) for word in words]
    assert_refused(planned, WRONG_USE, said, "restore", "apply", str(path), *words, **env)
    assert not planned.journal_of()


def assert_refused(estate: Estate, code: int, said: str, *words: str, **env: str) -> None:
    before = estate.listed()
    estate.aws.reset()
    done = estate.cli(*words, **env)
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    assert done.stderr.startswith("secrets-ops: ") and said in done.stderr, done.stderr
    assert estate.changes() == [] and estate.listed() == before


def test_what_is_there_is_not_overwritten_by_a_plan(planned: Estate) -> None:
    path = planned.file("plan.json")
    before = path.read_bytes()
    said = f"{path} exists; a plan never overwrites anything"
    assert_refused(planned, WRONG_USE, said, "restore", "plan", "latest", "-o", str(path))
    assert path.read_bytes() == before


def test_files_that_are_not_there_are_named(planned: Estate) -> None:
    nowhere = str(planned.scratch / "absent" / "plan.json")
    assert_refused(planned, FAILED, f"{nowhere} cannot be written", "restore", "plan", "latest", "-o", nowhere)
    assert_refused(planned, FAILED, f"{nowhere} cannot be read", "restore", "apply", nowhere, "--approve", "00000000")
    absent = f"s3://{planned.bucket}/absent.tar.gz"
    plan = str(planned.file("p"))
    assert_refused(planned, FAILED, f"there is no {absent}; `secrets-ops", "restore", "plan", absent, "-o", plan)
    assert not planned.file("p").exists()


def test_the_journal_of_another_plan_is_not_gone_on_with(planned: Estate) -> None:
    planned.apply()
    planned.wipe()
    planned.plan("--filter", "x", name="other.json")
    planned.file("plan.json.journal").rename(planned.file("other.json.journal"))
    words = ("restore", "apply", str(planned.file("other.json")), "--approve", planned.approval("other.json"))
    assert_refused(planned, FAILED, "belongs to the plan ", *words)


@pytest.mark.parametrize("after", [0, 1], ids=["manifest", "archive"])
def test_a_connection_that_is_lost_while_reading_is_told(planned: Estate, after: int) -> None:
    before = planned.listed()
    planned.aws.faults({"match": "s3.GetObject", "effect": "cut", "after": after})
    done = planned.cli("restore", "plan", "latest", "-o", str(planned.file("p")))
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "s3:GetObject" in done.stderr and "the connection broke" in done.stderr, done.stderr
    assert not planned.file("p").exists() and planned.listed() == before


# --- Archives


@pytest.fixture
def archive(estate: Estate) -> Iterator[Path]:
    """A local backup of two secrets that are still there."""
    estate.seed(*({"name": f"{PREFIX}{name}", "kms_key": "secrets"} for name in "xy"))
    assert estate.cli("backup", "run", "--to", str(estate.scratch)).returncode == CLEAN
    [path] = estate.scratch.glob("*.tar.gz")
    yield path


Member = tuple[tarfile.TarInfo, bytes]


def members(path: Path) -> list[Member]:
    with tarfile.open(path) as files:
        return [(member, read.read() if (read := files.extractfile(member)) else b"") for member in files]


def write(path: Path, content: list[Member]) -> None:
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT) as files:
        for member, data in content:
            member.size = len(data) if member.isreg() else 0
            files.addfile(member, io.BytesIO(data))


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made, data


def with_first(path: Path, added: Member) -> None:
    write(path, [added, *members(path)])


def seal(path: Path, change: Callable[[dict[str, Any]], object], content: list[Member]) -> None:
    """Writes the archive with manifests that fit it: as one could who may write to the bucket."""
    inside = {found.name: data for found, data in content}
    name = path.name.removesuffix(".tar.gz")
    manifest = json.loads(inside.pop(f"{name}/manifest.json"))
    for entry in manifest["entries"]:
        data = inside[entry["path"]]
        entry |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change(manifest)
    last = member(f"{name}/manifest.json", json.dumps(manifest).encode())
    write(path, [one for one in content if one[0].name != last[0].name] + [last])
    whole = path.read_bytes()
    manifest["archive"] = {"path": path.name, "size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    path.with_name(f"{name}.manifest.json").write_text(json.dumps(manifest), "utf-8")


def first_name(path: Path) -> str:
    return members(path)[0][0].name


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "cut short or damaged"),
    "altered": (
        lambda path: write(path, [(found, data.replace(b"prod", b"test")) for found, data in members(path)]),
        "sha256",
    ),
    "later schema": (
        lambda path: seal(path, lambda manifest: manifest.update(schema="secrets-ops/backup/v2"), members(path)),
        "its schema is secrets-ops/backup/v2; this program knows secrets-ops/backup/v1",
    ),
    "climbing path": (lambda path: with_first(path, member("../../etc/cron.d/x", b"x")), "do not unpack it"),
    "absolute path": (lambda path: with_first(path, member("/etc/cron.d/x", b"x")), "do not unpack it"),
    "link": (
        lambda path: with_first(path, member("x-config.json", kind=tarfile.SYMTYPE, link="/etc/passwd")),
        "do not unpack it",
    ),
    "bomb": (lambda path: with_first(path, member(first_name(path), bytes(64 << 20))), "do not unpack it"),
    "twice": (lambda path: with_first(path, members(path)[0]), "is in the archive twice"),
    "no archive": (lambda path: path.write_bytes(gzip.compress(b"nothing\n")), "cut short or damaged"),
}  # fmt: skip
COMMANDS = {
    "plan": ("restore", "plan", "<archive>", "-o", "<plan>"),
    "drill": ("restore", "drill", "<archive>"),
    "diff": ("backup", "diff", "<archive>", "live"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_is_done_with_an_archive_that_is_not_as_it_was(
    estate: Estate, archive: Path, what: str, command: str
) -> None:
    spoil, said = HOSTILE[what]
    spoil(archive)
    plan = str(estate.file("plan.json"))
    words = [word.replace("<archive>", str(archive)).replace("<plan>", plan) for word in COMMANDS[command]]
    assert_refused(estate, FAILED, said, *words)
    assert not estate.file("plan.json").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_archive_without_its_manifest_is_not_taken_for_proven(estate: Estate, archive: Path, command: str) -> None:
    archive.with_name(archive.name.replace(".tar.gz", ".manifest.json")).unlink()
    plan = str(estate.file("plan.json"))
    words = [word.replace("<archive>", str(archive)).replace("<plan>", plan) for word in COMMANDS[command]]
    done = estate.cli(*words)
    assert done.returncode in (INCOMPLETE, FAILED) and "manifest" in done.stdout + done.stderr
    assert estate.changes() == [] or command == "drill"


def test_a_value_does_not_pass_for_that_of_another_secret(estate: Estate) -> None:
    """Whoever may write to the bucket can exchange two values, and all hashes fit."""
    estate.take_values()
    estate.seed(*({"name": f"{PREFIX}{name}", "kms_key": "secrets"} for name in "xy"))
    key = estate.backup()
    path = estate.file(key.rpartition("/")[2])
    path.write_bytes(estate.get(key))
    content = members(path)
    sealed = [at for at, (found, _) in enumerate(content) if found.name.endswith("-values.json")]
    first, second = (json.loads(content[at][1]) for at in sealed)
    [one], [other] = first["Versions"], second["Versions"]
    for part in ("Message", "Mac"):
        one[part], other[part] = other[part], one[part]
    for at, values in zip(sealed, (first, second), strict=True):
        content[at] = (content[at][0], json.dumps(values).encode())
    seal(path, lambda manifest: None, content)
    assert estate.cli("backup", "verify", str(path)).returncode == CLEAN
    estate.wipe()
    estate.plan(archive=str(path))
    done = estate.apply()
    assert done.returncode == INCOMPLETE and "it belongs to another secret or version" in done.stdout, done.stdout
    assert estate.listed() == []
