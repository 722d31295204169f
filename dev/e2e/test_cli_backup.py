"""`secrets-ops backup`: taken, listed and proved, and what is wrong with an archive is found."""

import gzip
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lab import BUILT, DATABASE, PATIENCE_SECONDS, Lab, configs, scheduled, secret_names

CLEAN, FINDINGS, WRONG_USE, INCOMPLETE, FAILED = range(5)
ARCHIVE, MANIFEST = ".tar.gz", ".manifest.json"


def folder_of(lab: Lab, path: Path) -> Path:
    """The archive of a backup to a folder."""
    done = lab.cli("backup", "run", "--to", str(path))
    assert done.returncode == CLEAN, done.stdout + done.stderr
    [archive] = path.glob(f"*{ARCHIVE}")
    assert archive.with_name(archive.name.replace(ARCHIVE, MANIFEST)).is_file()
    return archive


def verdict(lab: Lab, archive: object) -> tuple[int, str]:
    done = lab.cli("backup", "verify", str(archive), "--output", "json")
    report = json.loads(done.stdout)
    return done.returncode, " ".join(finding["detail"]["en"] for finding in report["findings"])


@pytest.mark.parametrize("kind", ["daily", "monthly", "manual"])
def test_a_backup_is_taken_listed_and_proved(lab: Lab, kind: str) -> None:
    assert lab.cli("backup", "run", "--kind", kind).returncode == CLEAN
    archive, manifest = sorted(lab.backups(), key=lambda key: key.endswith(MANIFEST))
    assert archive.startswith(f"{kind}-backups/secrets-backup-") and archive.endswith(ARCHIVE)
    listed = lab.cli("backup", "list", "--output", "json")
    [item] = json.loads(listed.stdout)["items"]
    assert (listed.returncode, item["verdict"]) == (CLEAN, "latest")
    assert item["subject"] == f"s3://{lab.bucket}/{archive}"
    for name in ("latest", item["subject"]):
        assert verdict(lab, name) == (CLEAN, "")


def test_the_function_and_the_command_take_the_same_backup(lab: Lab, tmp_path: Path) -> None:
    answer = lab.one("secrets-backup", scheduled("backup-daily")).answer
    by_hand = folder_of(lab, tmp_path).read_bytes()
    assert configs(lab.get(answer["artefacts"][0])) == configs(by_hand)


def test_the_newest_of_several_is_the_latest(lab: Lab) -> None:
    for as_of, kind in (("2026-11-20", "monthly"), ("2026-11-22", "daily"), ("2026-11-21", "manual")):
        assert lab.cli("backup", "run", "--kind", kind, "--as-of", as_of).returncode == CLEAN
    items = json.loads(lab.cli("backup", "list", "--output", "json").stdout)["items"]
    assert [item["verdict"] for item in items] == ["latest", "sealed", "sealed"]
    assert "secrets-backup-20261122_000000" in items[0]["subject"]
    assert "20261122_000000" in lab.cli("backup", "verify", "latest").stdout


def test_a_backup_overwrites_nothing(lab: Lab, tmp_path: Path) -> None:
    for to in ([], ["--to", f"s3://{lab.bucket}/mine/"], ["--to", str(tmp_path)]):
        words = ["backup", "run", "--as-of", "2026-11-22", *to]
        assert lab.cli(*words).returncode == CLEAN
        before = lab.versions(), {path: path.read_bytes() for path in tmp_path.iterdir()}
        again = lab.cli(*words)
        assert again.returncode == FAILED, again.stdout
        assert (lab.versions(), {path: path.read_bytes() for path in tmp_path.iterdir()}) == before


def test_a_folder_holds_only_what_is_finished(lab: Lab, tmp_path: Path) -> None:
    lab.aws.faults({"match": "secretsmanager.ListSecrets", "effect": "deny"})
    assert lab.cli("backup", "run", "--to", str(tmp_path)).returncode == FAILED
    assert list(tmp_path.iterdir()) == []
    lab.aws.faults({"match": "secretsmanager.DescribeSecret", "secret": DATABASE, "effect": "deny"})
    done = lab.cli("backup", "run", "--to", str(tmp_path))
    assert done.returncode == INCOMPLETE and DATABASE in done.stdout
    [archive] = tmp_path.glob(f"*{ARCHIVE}")
    assert set(configs(archive.read_bytes())) == set(secret_names())
    done = lab.cli("backup", "verify", str(archive))
    assert done.returncode == INCOMPLETE, "it is what its manifest says, and that is not the whole estate"


# --- What differs


def diff(lab: Lab, *words: object) -> tuple[int, list[tuple[str, str]]]:
    done = lab.cli("backup", "diff", *map(str, words), "--output", "json")
    return done.returncode, [(item["verdict"], item["subject"]) for item in json.loads(done.stdout)["items"]]


def test_an_estate_is_as_its_backup_says(lab: Lab, tmp_path: Path) -> None:
    assert lab.cli("backup", "run").returncode == CLEAN
    archive = folder_of(lab, tmp_path)
    for a, b in (("latest", "live"), (archive, "live"), ("latest", archive), (archive, archive)):
        assert diff(lab, a, b) == (CLEAN, [("equal", "equal")])
    assert not lab.aws.journal("secretsmanager.GetSecretValue")
    code, lines = diff(lab, archive, "live", "--filter", DATABASE, "--configuration")
    assert (code, lines) == (CLEAN, [("equal", "equal")])


def test_what_differs_is_a_finding_and_what_is_denied_is_not_equal(lab: Lab, tmp_path: Path) -> None:
    vanished = {"effect": "error", "code": "ResourceNotFoundException"}
    lab.aws.faults({"match": "secretsmanager.DescribeSecret", "secret": DATABASE, **vanished})
    assert lab.cli("backup", "run", "--to", str(tmp_path)).returncode == INCOMPLETE
    lab.aws.faults()
    [archive] = tmp_path.glob(f"*{ARCHIVE}")
    code, lines = diff(lab, archive, "live")
    assert (code, lines) == (INCOMPLETE, [("added", DATABASE), ("equal", "equal")]), "half a backup proves nothing"

    (tmp_path / "whole").mkdir()
    whole = folder_of(lab, tmp_path / "whole")
    lab.aws.faults({"match": "secretsmanager.GetResourcePolicy", "secret": DATABASE, "effect": "deny"})
    done = lab.cli("backup", "diff", str(whole), "live", "--output", "json")
    report = json.loads(done.stdout)
    assert done.returncode == INCOMPLETE
    assert [(gap["subject"], gap["reason"]) for gap in report["gaps"]] == [(DATABASE, "denied")]


def test_a_damaged_archive_is_not_compared(lab: Lab, tmp_path: Path) -> None:
    archive = folder_of(lab, tmp_path)
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(archive.read_bytes()[:-20])
    for words in ((broken, "live"), (broken, archive), (archive, broken)):
        done = lab.cli("backup", "diff", *map(str, words))
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert "nothing was compared" in done.stderr and "cut short or damaged" in done.stderr
    done = lab.cli("backup", "diff", str(archive), str(tmp_path / "absent.tar.gz"))
    assert (done.returncode, done.stdout) == (FAILED, "") and "is not there" in done.stderr


# --- What is wrong with an archive is found


def test_every_byte_counts(lab: Lab, tmp_path: Path) -> None:
    archive = folder_of(lab, tmp_path)
    whole = archive.read_bytes()
    assert verdict(lab, archive) == (CLEAN, "")
    for at in (0, 4, len(whole) // 2, len(whole) - 1):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        code, why = verdict(lab, archive)
        assert (code, bool(why)) == (FINDINGS, True), f"byte {at}: {why}"
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        archive.write_bytes(whole[:length])
        assert verdict(lab, archive)[0] == FINDINGS, f"cut to {length} bytes"
    archive.write_bytes(whole + b"\0")
    assert verdict(lab, archive)[0] == FINDINGS, "a byte too many"


def test_another_archive_under_the_same_name_is_found(lab: Lab, tmp_path: Path) -> None:
    archive = folder_of(lab, tmp_path)
    content = gzip.decompress(archive.read_bytes())
    archive.write_bytes(gzip.compress(content))
    code, why = verdict(lab, archive)
    assert code == FINDINGS and "sha256" in why, "the same files, and yet not what was written"
    changed = content.replace(b"ap-northeast-1:123456789012:secret", b"ap-northeast-1:999999999999:secret", 1)
    archive.write_bytes(gzip.compress(changed))
    assert verdict(lab, archive)[0] == FINDINGS


def test_a_manifest_that_is_not_there_or_not_its_own_is_told(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    archive = folder_of(lab, tmp_path)
    beside = archive.with_name(archive.name.replace(ARCHIVE, MANIFEST))
    other = lab.cli("backup", "run", "--to", str(tmp_path / "other"), "--as-of", "2026-11-22")
    assert other.returncode == CLEAN
    [others] = (tmp_path / "other").glob(f"*{MANIFEST}")
    beside.write_bytes(others.read_bytes())
    assert verdict(lab, archive)[0] == FINDINGS
    beside.unlink()
    assert verdict(lab, archive)[0] == INCOMPLETE, "only half of the proof could be made"


@pytest.mark.parametrize(
    "content", [b"", b"not an archive\n", gzip.compress(b"not a tar\n"), gzip.compress(bytes(10240))]
)
def test_what_is_no_archive_is_told(lab: Lab, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    code, why = verdict(lab, path)
    assert code == FINDINGS and why


def test_what_is_not_there_is_told(lab: Lab, tmp_path: Path) -> None:
    for name in (str(tmp_path / "absent.tar.gz"), f"s3://{lab.bucket}/absent.tar.gz", "s3://e2e-absent/x.tar.gz"):
        done = lab.cli("backup", "verify", name)
        assert (done.returncode, done.stdout) == (FAILED, ""), name
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("secrets-ops: ")


# --- Interrupted


@pytest.mark.parametrize("to", ["bucket", "folder"])
def test_an_interrupted_backup_leaves_nothing(lab: Lab, tmp_path: Path, to: str) -> None:
    lab.aws.faults({"match": "secretsmanager.DescribeSecret", "delay_ms": 3000})
    words = [] if to == "bucket" else ["--to", str(tmp_path)]
    command = [BUILT / "secrets-ops", "backup", "run", *words]
    run = subprocess.Popen(command, env=lab.cli_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + PATIENCE_SECONDS
    while not lab.aws.journal("secretsmanager.ListSecrets") and time.monotonic() < limit:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert time.monotonic() - begun < 2
    assert (run.returncode, out) == (FAILED, "")
    assert err.startswith("secrets-ops: interrupted") and err.count("\n") == 1
    assert lab.keys() == [] and list(tmp_path.iterdir()) == []
