"""Reads the labelled estate: the true verdicts beside the scenario, and how a report differs from them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab import ROOT

TABLE = ROOT / "dev" / "local-aws" / "scenarios" / "goal-mandala-prod.verdicts.md"
# The moment that the labels are about, and the settings that are not the defaults.
NOW = "2026-11-22T16:30:00Z"
SETTINGS = {"SECRETS_OPS_TRUSTED_ACCOUNTS": "888888888888"}
LETTERS = {"p", "f", "u", "-", "s"}
LEGEND = re.compile(r"^(\d+)\. ([a-z-]+): ", re.MULTILINE)


@dataclass
class Labels:
    """The check ids in order, and by secret the rotation word and one letter a check."""

    checks: list[str] = field(default_factory=list)
    rotation: dict[str, str] = field(default_factory=dict)
    letters: dict[str, dict[str, str]] = field(default_factory=dict)


def read(text: str | None = None) -> Labels:
    """Raises ValueError where a table is not whole: a missing row must not pass for one that agrees."""
    text = TABLE.read_text(encoding="utf-8") if text is None else text
    numbered = {int(number): check for number, check in LEGEND.findall(text)}
    if sorted(numbered) != list(range(1, len(numbered) + 1)):
        raise ValueError(f"the legend does not number the checks through: {sorted(numbered)}")
    labels = Labels([numbered[number] for number in sorted(numbered)])
    for head, rows in tables(text):
        for name, *cells in rows:
            letters = labels.letters.setdefault(name, {})
            for column, cell in zip(head[1:], cells, strict=True):
                if column == "rotation":
                    labels.rotation[name] = cell
                elif cell in LETTERS:
                    letters[numbered[int(column)]] = cell
                else:
                    raise ValueError(f"{name}: {cell!r} in column {column} is not one of {sorted(LETTERS)}")
    for name, letters in labels.letters.items():
        missing = [check for check in labels.checks if check not in letters]
        if missing or name not in labels.rotation:
            raise ValueError(f"{name}: no label for {missing or 'rotation'}")
    return labels


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Each table's heading and rows; a secret twice in one is an error."""
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        head, rows = lines[0], lines[2:]
        names = [row[0] for row in rows]
        if len(set(names)) != len(names):
            raise ValueError(f"a secret has two rows under {head}")
        yield head, rows


def differences(labels: Labels, report: dict[str, Any]) -> list[str]:
    """Each letter that is not the true one, in words."""
    got_checks, got = report["verdicts"]["checks"], report["verdicts"]["secrets"]
    found = [f"check {check}: not in the report" for check in labels.checks if check not in got_checks]
    found += [f"check {check}: not in the table" for check in got_checks if check not in labels.checks]
    found += [f"{name}: not in the table" for name in got if name not in labels.letters]
    for name, wanted in labels.letters.items():
        if name not in got:
            found.append(f"{name}: not in the report")
            continue
        letters = dict(zip(got_checks, got[name], strict=True))
        found += [
            f"{name}: {check}: want {want}, got {letters[check]}"
            for check, want in wanted.items()
            if letters.get(check, want) != want
        ]
    return found


def rotation_differences(labels: Labels, report: dict[str, Any]) -> list[str]:
    got = {item["subject"]: item["verdict"] for item in report["items"]}
    found = [f"{name}: not in the table" for name in got if name not in labels.rotation]
    return found + [
        f"{name}: rotation: want {want}, got {got.get(name, 'nothing')}"
        for name, want in labels.rotation.items()
        if got.get(name) != want
    ]


def changed(labels: Labels, checks: set[str], letter: str, *, only: str = "", where: str = "pf") -> Labels:
    """The labels with another letter for these checks, where they were one of `where`; of one secret or of all."""
    letters = {
        name: {
            check: letter if check in checks and was in where and only in ("", name) else was
            for check, was in row.items()
        }
        for name, row in labels.letters.items()
    }
    return Labels(labels.checks, labels.rotation, letters)
