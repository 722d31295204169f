"""Shows what the system does, on the local AWS: nothing leaves this machine, and no AWS account is needed.

    .venv/bin/python dev/demo/demo.py [--lang ja|en]

Starts the account of scenario goal-mandala-prod, runs each function's real executable on an event of events/, then
the commands, and keeps everything that came of it in target/demo/. Ends with status 1 if anything is not as it should.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# The local AWS is run from its folder, never installed.
sys.path.insert(0, str(ROOT / "dev" / "local-aws"))

import checks  # noqa: E402
import show  # noqa: E402
from local_aws.running import running  # noqa: E402
from stage import Stage  # noqa: E402

OUT = ROOT / "target" / "demo"
# Findings of one check, and secrets of one verdict, that are shown; all are in the report.
MOST_ALIKE = 4
# Lines of the weekly checklist and findings that are shown; there are dozens of the one and hundreds of the other.
MOST_LINES, MOST_FOUND = 12, 6


def main() -> int:
    parser = argparse.ArgumentParser(description="Show what secrets-ops does, on the local AWS.")
    parser.add_argument("--lang", choices=["ja", "en"], default="ja", help="language of reports and notices")
    options = parser.parse_args()
    # So that what was started is ended, as on Ctrl-C.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: sys.exit(128 + number))
    if missing := [path for path in Stage.executables() if not path.is_file()]:
        print(f"not built: {', '.join(str(path) for path in missing)}; run `make demo`", file=sys.stderr)
        return 1
    shutil.rmtree(OUT, ignore_errors=True)
    try:
        return play(options.lang)
    except KeyboardInterrupt:
        print("\ninterrupted; everything that was started has been stopped", file=sys.stderr)
        return 130


def play(lang: str) -> int:
    # ministack unpacks functions into the folder for temporary files and leaves them there.
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TMPDIR"] = scratch
        show.say("secrets-ops: ローカル AWS で実演します / a demonstration on the local AWS")
        with running("goal-mandala-prod") as aws:
            stage = Stage(aws, OUT, lang)
            show.fact("AWS", f"{aws.endpoint} (scenario goal-mandala-prod, {len(stage.secrets)} secrets)")
            for scene in (health, backup, commands, drill, rotation, daily_list, weekly_list, notices):
                scene(stage)
            stage.keep_the_bucket()
            proofs(stage)
            places(stage)
    if stage.problems:
        show.say()
        for problem in stage.problems:
            show.bad(problem)
        return 1
    return 0


def health(stage: Stage) -> None:
    show.heading(1, "ヘルスチェック", "Health")
    public, scheduled = stage.invoke("api-health", "http-api-v2", "scheduled")
    body = json.loads(public.answer["body"]) if public.answer else {}
    show.fact("GET /health", f"{public.answer['statusCode']} {body['status']} ({public.seconds * 1000:.0f} ms)")
    for kind, entries in body["checks"].items():
        worst = entries[0]
        show.fact(f"  {kind}", f"{worst['status']}, {worst['observedValue']} {worst['observedUnit']}")
    show.fact("Schedule", f"{scheduled.answer['status']}; names only to those who may invoke it:")
    for entries in scheduled.answer["checks"].values():
        for entry in entries:
            show.fact("", f"{entry['status']}  {entry['componentId']}")
    stage.expect(public.answer["statusCode"] == 200, "GET /health answers 200")
    stage.expect(
        not any(name in public.answer["body"] for name in stage.secrets), "the public answer names no secret"
    )


def backup(stage: Stage) -> None:
    show.heading(2, "バックアップ", "Backup")
    first, second = stage.invoke("secrets-backup", "scheduled-daily", "scheduled-daily")
    answer = first.answer
    answered(answer)
    show.fact("S3", f"s3://{stage.bucket}")
    for key in answer["artefacts"]:
        show.fact("", key)
    stage.keep_the_bucket()
    archive, manifest = (stage.out / "bucket" / key for key in answer["artefacts"])
    stage.expect(answer["status"] == "ok" and answer["success"], "the backup is complete")
    faults = checks.differences(archive, manifest, set(stage.secrets))
    stage.expect(not faults, "; ".join(faults) or "archive, manifest and account agree, file by file (SHA-256)")
    show.fact("The same event again", second.answer["status"])
    stage.expect(second.answer["status"] == "already-done", "an event that is delivered twice is done once")


def commands(stage: Stage) -> None:
    show.heading(3, "バックアップの一覧と検証", "Backups: list and verify")
    archive = next((stage.out / "bucket").glob("daily-backups/*.tar.gz"))
    for words in (["backup", "list"], ["backup", "verify", "latest"], ["backup", "verify", str(archive)]):
        status, text = stage.command(*words)
        shown = " ".join(words).replace(f"{ROOT}/", "")
        show.say(f"$ secrets-ops {shown}")
        show_text(text.replace(f"{ROOT}/", ""))
        stage.expect(status == 0, f"`secrets-ops {shown}` ends with 0")


def drill(stage: Stage) -> None:
    show.heading(4, "復元訓練", "Restore drill: does the backup restore?")
    status, text = stage.command("backup", "diff", "latest", "live")
    show.say("$ secrets-ops backup diff latest live")
    show_text(text)
    stage.expect(status == 0, "the newest backup and the account are the same")
    status, text = stage.command("restore", "drill", "latest")
    show.say("$ secrets-ops restore drill latest")
    restored = sum(" restored " in row for row in text.splitlines())
    show_text("\n".join(row for row in text.splitlines() if " restored " not in row))
    found = set(re.findall(r"restore-proven (\S+):", text))
    stage.expect(restored > 25, f"{restored} secrets were made under throw-away names, compared field by field, and removed")
    wrong = {f"goal-mandala-prod-key-{name}" for name in ("disabled", "of-another-account", "pending-deletion")}
    wrong |= {f"goal-mandala-prod-policy-{name}" for name in ("public", "open-aws", "not-principal")}
    stage.expect(status == 1 and found == wrong, "what would not restore is found: unusable keys, policies AWS refuses")


def rotation(stage: Stage) -> None:
    show.heading(5, "ローテーション確認", "Rotation")
    (checked,) = stage.invoke("rotation-checker", "scheduled")
    answered(checked.answer)
    report, _ = stage.report(checked.answer)
    signs = {"fail": "✘", "unknown": "?", "pass": "✔", "not-applicable": "-"}
    items = sorted(report["items"], key=lambda item: (list(signs).index(item["outcome"]), item["verdict"]))
    for verdict in dict.fromkeys(item["verdict"] for item in items):
        alike = [item for item in items if item["verdict"] == verdict]
        for item in alike[:MOST_ALIKE]:
            name = f"{item['subject'].removeprefix('goal-mandala-prod-'):<27}"
            show.line(f"  {signs[item['outcome']]} {verdict:<21}{name} {item['detail'][stage.lang]}")
        if len(alike) > MOST_ALIKE:
            show.line(f"    {verdict:<21}… {len(alike) - MOST_ALIKE} more")
    found_and_not_seen(stage, report, "rotation")
    judged = {item["subject"] for item in report["items"]}
    stage.expect(judged == set(stage.secrets), f"each of the {len(stage.secrets)} secrets has a verdict")


def daily_list(stage: Stage) -> None:
    show.heading(6, "日次チェックリスト", "Daily checklist")
    (audit,) = stage.invoke("audit-runner", "scheduled-daily")
    answered(audit.answer)
    report, text = stage.report(audit.answer)
    for item in text.split("\n\n")[1].splitlines():
        show.say("  " + item, " " * 12)
    found_and_not_seen(stage, report, "audit-daily")
    stage.expect(audit.answer["success"] and len(report["items"]) >= 5, "each item of the list has an answer")


def weekly_list(stage: Stage) -> None:
    show.heading(7, "週次チェックリストとセキュリティ監査", "Weekly checklist and security audit")
    # Pacing keeps calls below AWS's quotas, which the local AWS does not have.
    words = ["audit", "run", "weekly", "--pacing", "off"]
    status, text = stage.command(*words)
    show.say(f"$ secrets-ops {' '.join(words)}")
    head, items, *sections = (part.splitlines() for part in text.split("\n\n"))
    for row in head:
        show.say("  " + row, "  ")
    # Each line's remedy is below it, and not shown here.
    lines = [row.split() for row in items if not row.startswith(" ")]
    for state, _, step, *rest in first_of_each(lines)[:MOST_LINES]:
        show.line(f"  {state}  {step:<5}{' '.join(rest)}")
    show.say(f"  … 全 {len(lines)} 行 / {len(lines)} lines in all")
    # The first section after the lines: findings, the worst first.
    found = [row.split() for row in sections[0] if row.startswith("- [")]
    show.say(f"\n  {sections[0][0]}")
    for row in first_of_each(found)[:MOST_FOUND]:
        show.say("  " + " ".join(row), " " * 4)
    show.say(f"  … 全 {len(found)} 件 / {len(found)} in all: {stage.shown}/commands/audit-run-weekly-pacing-off.txt")
    # The estate of the sample holds what nobody can look at, such as another account's key.
    stage.expect(status == 3, "it ends with 3: what could not be looked at is told, and never counts as good")
    stage.expect(len(lines) > 40 and len(found) > 100, f"{len(lines)} lines, {len(found)} findings, the worst first")


def first_of_each(rows: list[list[str]]) -> list[list[str]]:
    """One row for each word that stands third: a step of the runbook, or a check."""
    return list({row[2]: row for row in reversed(rows)}.values())[::-1]


def notices(stage: Stage) -> None:
    show.heading(8, "通知", "Notices that the topic received")
    received = stage.keep_notices()
    for number, (path, notice) in enumerate(received, 1):
        show.fact(f"Subject {number}", notice["subject"])
        body = [text for text in notice["message"].splitlines() if text]
        for text in body[:6]:
            show.line("    " + text)
        if len(body) > 6:
            show.say(f"    … {len(body) - 6} more lines: {path.relative_to(ROOT)}")
    stage.expect(bool(received), f"{len(received)} notices reached the topic")


def proofs(stage: Stage) -> None:
    show.heading(9, "確認", "Proofs")
    read = {entry["resource"] for entry in stage.aws.journal("secretsmanager.*GetSecretValue")}
    stage.expect(read == {stage.canary}, f"the only value that was read is that of the canary ({', '.join(read)})")
    stage.keep("journal.json", stage.aws.journal())
    succeeded = {line["Job"]: line["JobSuccess"] for line in stage.metrics if "JobSuccess" in line}
    wanted = {job: 1.0 for job in ("health", "backup-daily", "rotation", "audit-daily")}
    stage.expect(succeeded == wanted, f"metrics say JobSuccess 1 for {', '.join(succeeded)}")
    leaks, read_files = checks.leaks(stage.out)
    stage.expect(
        not leaks and read_files > 20,
        f"searched {read_files} files (logs, answers, reports, notices, archives, in plain and in base64) for the "
        f"planted secret values: {', '.join(leaks) or 'none'} found",
    )


def places(stage: Stage) -> None:
    show.heading(10, "成果物", "Where everything lies")
    for pattern, what in (
        ("bucket/daily-backups/*", "archive and its manifest"),
        ("bucket/reports/*/*", "reports, for people and for machines"),
        ("bucket/runs/**/*.json", "markers of what has been done"),
        ("answers/*", "what the functions answered"),
        ("logs/*", "what they logged"),
        ("metrics.jsonl", "metrics in CloudWatch's embedded format"),
        ("notices/*", "what the topic received"),
        ("commands/*", "what the commands printed"),
        ("journal.json", "every call that AWS received"),
    ):
        files = sorted(stage.out.glob(pattern))
        stage.expect(bool(files), f"{what}: {len(files)} in {stage.shown}/{pattern.partition('*')[0]}")
    if not stage.problems:
        show.say("\nすべて期待どおりです / everything is as it should be")


def answered(answer: dict[str, Any]) -> None:
    """An answer without what the lines below it show anyway."""
    coverage, counts = answer["coverage"], answer["counts"]
    show.fact("Answer", f"{answer['job']}: {answer['status']} ({answer['duration_ms']} ms)")
    show.fact("Coverage", f"{coverage['seen']} of {coverage['wanted']}, {counts['gaps']} gaps")


def found_and_not_seen(stage: Stage, report: dict[str, Any], job: str) -> None:
    """Findings by check, with what to do about them, and all gaps."""
    findings, gaps = report["findings"], report["gaps"]
    show.say(f"\n  検出事項 / Findings: {len(findings)}")
    for check in dict.fromkeys(finding["check"] for finding in findings):
        alike = [finding for finding in findings if finding["check"] == check]
        for finding in alike[:MOST_ALIKE]:
            show.say(f"  - [{finding['severity']}] {finding['subject']}: {finding['detail'][stage.lang]}", " " * 4)
        if len(alike) > MOST_ALIKE:
            show.say(f"  - … {len(alike) - MOST_ALIKE} more of {check}: {stage.shown}/bucket/reports/{job}/")
        show.say(f"    → {alike[0]['remediation'][stage.lang]}", " " * 6)
    show.say(f"  確認できなかったもの / Gaps: {len(gaps) or 'なし / none'}")
    for gap in gaps:
        show.say(f"  - [{gap['reason']}] {gap['what']} {gap['subject']}: {gap['detail']}", " " * 4)


def show_text(text: str) -> None:
    for row in text.splitlines():
        if row:
            show.say("  " + row, " " * 6)


if __name__ == "__main__":
    sys.exit(main())
