"""Loads a scenario: the account that the local AWS pretends to be.

A scenario is a YAML file of the folder ../scenarios, any other YAML or JSON file, or `generated:N`.
Its keys are checked: a misspelt key would silently leave out what a test is about.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from . import generated

SCENARIOS = Path(__file__).parent.parent / "scenarios"


@dataclass
class Scenario:
    """The top-level keys of a scenario file. What each list holds is read by the module named beside it."""

    now: datetime
    name: str = "?"
    about: str = ""
    account: str = "123456789012"
    region: str = "ap-northeast-1"
    keys: list[dict[str, Any]] = field(default_factory=list)  # seed
    buckets: list[dict[str, Any]] = field(default_factory=list)  # seed
    topics: list[str] = field(default_factory=list)  # seed
    policies: list[dict[str, Any]] = field(default_factory=list)  # seed_iam
    groups: list[dict[str, Any]] = field(default_factory=list)  # seed_iam
    roles: list[dict[str, Any]] = field(default_factory=list)  # seed_iam
    users: list[dict[str, Any]] = field(default_factory=list)  # seed_iam
    functions: list[dict[str, Any]] = field(default_factory=list)  # seed
    trails: list[dict[str, Any]] = field(default_factory=list)  # seed
    log_groups: list[str] = field(default_factory=list)  # seed
    secrets: list[dict[str, Any]] = field(default_factory=list)  # secrets_seed
    generate: int = 0  # secrets_seed, generated
    trail: list[dict[str, Any]] = field(default_factory=list)  # trail_events
    insights: list[dict[str, Any]] = field(default_factory=list)  # logs
    metrics: list[dict[str, Any]] = field(default_factory=list)  # metrics
    costs: list[dict[str, Any]] = field(default_factory=list)  # cost_explorer


def load(name: str, now: datetime) -> Scenario:
    """`name` is a scenario of the folder, a path, or `generated:N`."""
    if name.startswith("generated:"):
        count = int(name.removeprefix("generated:").replace("_", ""))
        base = load(generated.BASE_SCENARIO, now)
        base.name, base.secrets, base.generate = name, [], count
        return base
    path = Path(name)
    if not path.suffix:
        path = SCENARIOS / f"{name}.yaml"
    if not path.is_file():
        known = sorted(entry.stem for entry in SCENARIOS.glob("*.yaml"))
        raise ValueError(f"no scenario {name!r}: want one of {known}, generated:N, or the path of a file")
    text = path.read_text(encoding="utf-8")
    data = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.CSafeLoader)
    check_keys(data or {}, set(Scenario.__dataclass_fields__) - {"now"}, str(path))
    return Scenario(now=now, **{"name": path.stem, **(data or {})})


def check_keys(item: dict[str, Any], known: set[str], where: str) -> None:
    unknown = set(item) - known
    if unknown:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
