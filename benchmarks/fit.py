"""Training and prediction times of kerata beside its peers, in one run.

    python benchmarks/fit.py                        every workload, every peer that is installed
    python benchmarks/fit.py --quick --workloads mlp,lstm --peers kerata,torch
    python benchmarks/fit.py --peer-python PATH     peers that live in another environment

Every measurement is a process of its own, with the same number of threads. Rounds alternate:
each goes through all workloads and peers once, so that a machine that gets slower or faster in
between does so for everyone; ratios are taken within a round. See README.md beside this file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from fitting.workloads import PEERS, WORKLOADS

WORKER = Path(__file__).resolve().parent / "fitting" / "worker.py"
ROOT = WORKER.parents[2]

# What is measured: title, key of the worker's result, factor to the unit shown, digits.
FIGURES = (
    ("Time per training step, ms", "step", 1e3, 2),
    ("Time per predicted batch, ms", "predict", 1e3, 2),
    ("Time to the end of the first epoch, compilation included, s", "first_epoch", 1, 1),
    ("Time to import, s", "import", 1, 1),
    ("Peak memory, MB", "peak_memory", 1e-6, 0),
)


def interpreters(peers, extra, known=PEERS):
    """Return {peer: path of the first Python that has what the peer needs}."""
    found = {}
    for python in [sys.executable, *extra]:
        for peer in peers:
            library, backend, packages = known[peer]
            needed = {library or "torch", backend or library or "torch", *packages}
            code = (
                "import sys, importlib.util as u\n"
                f"sys.exit(not all(u.find_spec(m) for m in {sorted(needed)!r}))"
            )
            if (
                peer not in found
                and not subprocess.run(
                    [python, "-c", code], env=environment(), capture_output=True
                ).returncode
            ):
                found[peer] = python
    return found


def environment(device="cpu"):
    """Return the environment of a worker: quiet, kerata from this source tree."""
    only_cpu = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return (
        os.environ
        | (only_cpu if device == "cpu" else {})
        | {
            # No program from an earlier run: the time to the first epoch is to hold compiling.
            "KERATA_COMPILE_CACHE": "off",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
    )


def run_worker(python, peer, workload, options):
    """Return one measurement, or {"error": the last line that the worker wrote}."""
    command = [python, str(WORKER), peer, workload, "--threads", str(options.threads)]
    command += ["--seconds", str(options.seconds), "--epochs", str(options.epochs)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment(options.device),
            timeout=options.timeout,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {options.timeout:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        return {"error": lines[-1][:300]}
    return json.loads(done.stdout.splitlines()[-1])


def measure(options, pythons):
    """Return a list of measurements, round after round; on Ctrl-C, those that there are."""
    results = []
    peers, workloads = list(pythons), options.workloads
    total = options.rounds * len(workloads) * len(peers)
    try:
        for number in range(options.rounds):
            for workload in workloads:
                # Nobody is always first, or always behind the same neighbour.
                first = number % len(peers)
                for peer in peers[first:] + peers[:first]:
                    result = run_worker(pythons[peer], peer, workload, options)
                    results.append({"round": number, "workload": workload, "peer": peer} | result)
                    note = result.get("error") or f"{result['step'] * 1e3:.2f} ms a step"
                    print(f"[{len(results)}/{total}] {workload}, {peer}: {note}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped: what follows is what was measured so far.", file=sys.stderr)
    return results


def values(results, workload, peer, key):
    """Return {round: value} of the measurements that worked."""
    return {
        each["round"]: each[key]
        for each in results
        if each["workload"] == workload and each["peer"] == peer and key in each
    }


def cell(results, workload, peer, key, factor, digits):
    """Return "median (lowest-highest) ratio": the ratio is kerata's value over the peer's."""
    found = values(results, workload, peer, key)
    if not found:
        return "-"
    shown = [value * factor for value in found.values()]
    text = f"{statistics.median(shown):.{digits}f}"
    if len(shown) > 1:
        text += f" ({min(shown):.{digits}f}-{max(shown):.{digits}f})"
    own = values(results, workload, "kerata", key)
    ratios = [own[n] / found[n] for n in found if n in own]
    if peer != "kerata" and ratios:
        text += f" **{statistics.median(ratios):.2f}**"
    return text


def tables(results, peers, workloads):
    """Return the tables, in Markdown, one a figure."""
    parts = []
    for title, key, factor, digits in FIGURES:
        rows = [["", *peers]]
        rows += [
            [workload, *(cell(results, workload, peer, key, factor, digits) for peer in peers)]
            for workload in workloads
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "| " + " | ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) + " |"
            for row in rows
        ]
        lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        parts.append(f"{title}\n\n" + "\n".join(lines))
    parts.append(
        "Median (lowest-highest) of the rounds; in bold kerata's value divided by the peer's: "
        "below 1, kerata needs less."
    )
    return "\n\n".join(parts)


def machine(options):
    """Return what the figures depend on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            model = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return {
        "processor": model,
        "device": options.device,
        "threads": options.threads,
        "system": platform.platform(),
        "date": time.strftime("%Y-%m-%d"),
    }


def names(known):
    """Return a parser of comma-separated names that are all known."""

    def read(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of: {', '.join(known)}")
        return chosen

    return read


def arguments(argv=None):
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--workloads", type=names(WORKLOADS), help="default: all that suit it")
    parser.add_argument("--peers", type=names(PEERS), help="default: all that suit it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement, at least")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds, per measurement")
    parser.add_argument("--quick", action="store_true", help="one short round: a rough picture")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements")
    parser.add_argument(
        "--peer-python", action="append", default=[], metavar="PATH",
        help="a Python that has (some of) the peers; may be given several times",
    )  # fmt: skip
    options = parser.parse_args(argv)
    gpu = options.device == "gpu"
    options.workloads = options.workloads or [
        n for n in WORKLOADS if gpu or not WORKLOADS[n].on_gpu
    ]
    options.peers = options.peers or [p for p in PEERS if gpu or p != "torch-compile"]
    options.epochs = 1 if options.quick else 3
    if options.quick:
        options.rounds, options.seconds = 1, min(options.seconds, 1.0)
    return options


def main(argv=None):
    """Measure, print the tables and write the JSON file."""
    options = arguments(argv)
    pythons = interpreters(options.peers, options.peer_python)
    pythons = {peer: pythons[peer] for peer in options.peers if peer in pythons}
    for peer in options.peers:
        if peer not in pythons:
            print(f"{peer}: not installed, left out", file=sys.stderr)
    if not pythons:
        return 1
    about = machine(options)
    results = measure(options, pythons)
    versions = {e["peer"]: e["versions"] | {"python": e["python"]} for e in results if "step" in e}
    print(f"\n{about['processor']}, {about['threads']} threads, {about['date']}")
    for peer, each in versions.items():
        print(f"- {peer}: " + ", ".join(f"{name} {number}" for name, number in each.items()))
    for name in options.workloads:
        print(f"- {name}: {WORKLOADS[name].summary}")
    print("\n" + tables(results, list(pythons), options.workloads))
    for each in results:
        if "error" in each:
            print(f"\n{each['peer']}, {each['workload']}: {each['error']}")
    if options.json:
        record = {"machine": about, "versions": versions, "measurements": results}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int(any("error" in each for each in results))


if __name__ == "__main__":
    sys.exit(main())
