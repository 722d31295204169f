"""Command line: `python -m local_aws --scenario goal-mandala-prod`."""

import argparse
import json
import sys
from pathlib import Path

from .faults import parse_faults
from .scenario import load
from .server import parse_now, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description="A local AWS for development and tests.")
    parser.add_argument("--port", type=int, default=4566, help="0 picks a free port (default: 4566)")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--scenario", default="goal-mandala-prod", metavar="NAME|FILE|generated:N")
    parser.add_argument("--auth", action="store_true", help="check signatures and IAM policies")
    parser.add_argument("--ready-file", type=Path, help="file to write the endpoint to when ready")
    parser.add_argument("--faults", type=Path, help="JSON file with a list of faults to start with")
    parser.add_argument("--now", help="the moment that relative dates count from, such as 2026-11-22T09:00:00+09:00")
    options = parser.parse_args()
    try:
        scenario = load(options.scenario, parse_now(options.now))
        faults = parse_faults(json.loads(options.faults.read_text(encoding="utf-8"))) if options.faults else []
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    run(scenario, options.bind, options.port, auth=options.auth, ready_file=options.ready_file, faults=faults)
    return 0


sys.exit(main())
