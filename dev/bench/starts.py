"""Cold starts: each bootstrap beside a hello-world built the same way, from spawn to the first poll of the Runtime API, then
the first AWS call over TLS and the peak of memory."""

import statistics
import tempfile

import measure
from endpoint import cheap_endpoint
from process import over

FUNCTIONS = ["api-health", "secrets-backup", "rotation-checker", "audit-runner"]
# Values, other accounts and the drill: docs/adr/0015. What an audit reads around the secrets: docs/adr/0017.
SIZES_MB = {"secrets-backup": 10.5, "rotation-checker": 8.5, "audit-runner": 11}


def compare(release, times):
    print(f"\nCold start (median of {times})")
    print(f"{'':18} {'init ms':>8} {'x hello':>8} {'1st TLS call ms':>16} {'peak MiB':>9} {'size MB':>8}")
    missed = []
    with tempfile.TemporaryDirectory() as folder, cheap_endpoint(release, 10, tls_folder=folder) as endpoint:
        # Alternating, so that a busy moment of the machine meets all alike.
        starts = {name: [] for name in ["hello", *FUNCTIONS]}
        for _ in range(times):
            for name in starts:
                starts[name].append(measure.cold_start(release / name, endpoint, folder))
    hello = statistics.median(start.init_ms for start in starts["hello"])
    for name, measured in starts.items():
        init = statistics.median(start.init_ms for start in measured)
        peak = max(start.peak_mib for start in measured)
        size = (release / name).stat().st_size / 1e6
        calls = [start.call_ms for start in measured if start.call_ms is not None]
        call = statistics.median(calls) if calls else None
        shown = f"{call:16.1f}" if call is not None else f"{'-':>16}"
        print(f"{name:18} {init:8.2f} {init / hello:8.2f} {shown} {peak:9.1f} {size:8.2f}")
        if name == "hello":
            continue
        missed += over(f"{name}: init x hello", init / hello, 1.5 if name == "api-health" else 2.0)
        missed += over(f"{name}: peak MiB", peak, 20)
        missed += over(f"{name}: size MB", size, SIZES_MB.get(name, 8))
        missed += over(f"{name}: first TLS call ms", call, 10) if call is not None else [f"{name}: no TLS call seen"]
    return missed
