"""Measures what the documents promise, in one run, and prints ratios.

Wall times depend on the machine; the ratios much less. Each section is a file of its own and answers what it has missed.
"""

import argparse
import pathlib
import sys

import audits
import backups
import estates
import process
import restores
import simulation
import starts

SECTIONS = {
    "starts": lambda options: starts.compare(options.binaries, options.starts),
    "backups": lambda options: backups.compare(options.binaries),
    "estates": lambda options: estates.compare(options.binaries, options.estate),
    "audits": lambda options: audits.compare(options.binaries, options.audit),
    "restores": lambda options: restores.pace(options.binaries, options.restore),
    "simulation": lambda options: simulation.simulate(options.binaries, options.secrets, options.speed),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=SECTIONS, action="append", help="this section; may be given more than once")
    parser.add_argument("--starts", type=int, default=20, help="cold starts of each bootstrap")
    parser.add_argument("--estate", type=int, default=100_000, help="secrets that must not take more memory")
    parser.add_argument("--audit", type=int, default=2_000, help="secrets of the paced audit")
    parser.add_argument("--restore", type=int, default=2_500, help="secrets of the paced restore")
    parser.add_argument("--secrets", type=int, default=50_000, help="secrets of the backup in chunks; the goal is 500000")
    parser.add_argument("--speed", type=float, default=simulation.SPEED, help="how fast its time passes")
    parser.add_argument("--binaries", type=pathlib.Path, default=process.ROOT / "target/release")
    options = parser.parse_args()
    missed = [line for name in SECTIONS if name in (options.only or SECTIONS) for line in tried(name, options)]
    for line in missed:
        print(f"MISSED  {line}")
    sys.exit(1 if missed else 0)


def tried(name, options):
    """What a section misses twice: other work on the machine costs wall time, and CPU time too."""
    missed = SECTIONS[name](options)
    if not missed:
        return []
    print(f"\nOnce more, in case the machine was busy: {'; '.join(missed)}")
    return SECTIONS[name](options)


if __name__ == "__main__":
    main()
