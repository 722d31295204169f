"""Scenario files: every one loads, misspelt keys are refused, generated estates repeat."""

from datetime import datetime
from pathlib import Path

import pytest

from local_aws import generated, trail_events
from local_aws.scenario import SCENARIOS, load
from local_aws.secrets_seed import make_record

NOW = datetime.fromisoformat("2026-11-22T09:00:00+09:00")


class KeyArns(dict[str, str]):
    """An ARN for every key."""

    def __missing__(self, key: str) -> str:
        return f"arn:aws:kms:ap-northeast-1:123456789012:key/{key}"


KEYS = KeyArns()


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_can_be_built(path: Path) -> None:
    scenario = load(path.stem, NOW)
    records = [make_record(scenario, item, KEYS) for item in scenario.secrets]
    assert len({record["ARN"] for record in records}) == len(records)
    trail_events.build(scenario, KEYS)


def test_every_secret_says_why_it_is_there() -> None:
    assert [item["name"] for item in load("goal-mandala-prod", NOW).secrets if not item.get("why")] == []


def test_every_value_is_marked() -> None:
    scenario = load("goal-mandala-prod", NOW)
    for item in scenario.secrets:
        for version in make_record(scenario, item, KEYS)["Versions"].values():
            if version["SecretString"] is not None:
                assert f"CANARY-VALUE-{item['name']}-DO-NOT-LEAK" in version["SecretString"]


def test_misspelt_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("secrts: []\n")
    with pytest.raises(ValueError, match="secrts"):
        load(str(path), NOW)
    with pytest.raises(ValueError, match="acessed"):
        scenario = load("empty", NOW)
        from local_aws.secrets_seed import seed

        seed(scenario, [{"name": "x", "acessed": "-1d"}], KEYS)


def test_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"nope.*empty.*goal-mandala-prod"):
        load("nope", NOW)


def test_generated_estates_repeat() -> None:
    scenario = load("generated:50", NOW)
    first, second = ([make_record(scenario, item, KEYS) for item in generated.secrets(50)] for _ in range(2))
    assert first == second
    assert len({record["Name"] for record in first}) == 50
