"""Where a compiled function spends its time on a CPU, operation by operation.

    python benchmarks/profile.py FILE.py:FUNCTION [--steps 10] [--top 25]

`FUNCTION()` returns `(step, arguments)`: a function of arrays, jitted or not, and a tuple to call
it with. For every operation that XLA made of it are printed the milliseconds a step, over all
threads (the median of its runs times how many a step has, so that a busy machine shows less),
and the line of the compiled program that says what it is and which JAX function asked for it.
What runs inside a loop is counted for itself and within the loop.
"""

import argparse
import collections
import glob
import importlib.util
import os
import re
import statistics
import sys
import tempfile
import time
import warnings

import jax


def profile(step, arguments, steps=10):
    """Run `step`; return its milliseconds, and (milliseconds, calls, line) of every operation."""
    step = step if hasattr(step, "lower") else jax.jit(step)
    lines = _lines(step.lower(*arguments).compile().as_text())
    jax.block_until_ready(step(*arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            start = time.perf_counter()
            for _ in range(steps):
                jax.block_until_ready(step(*arguments))
            wall = time.perf_counter() - start
        (file,) = glob.glob(os.path.join(folder, "**", "*.xplane.pb"), recursive=True)
        spent = collections.defaultdict(list)
        for plane in jax.profiler.ProfileData.from_file(file).planes:
            for event in (event for line in plane.lines for event in line.events):
                name = _stats(event).get("hlo_op")
                if name:
                    spent[name].append(event.duration_ns / 1e6)
    table = [
        (statistics.median(times) * len(times) / steps, len(times) / steps, lines.get(name, name))
        for name, times in spent.items()
    ]
    table.sort(reverse=True)
    return wall / steps * 1e3, table


def _stats(event):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of jax's own, in Python 3.13
        return dict(event.stats)


def _lines(program):
    """Map the name of each operation to "shape kind(operands)  <- where it was written"."""
    found = {}
    for line in program.splitlines():
        match = re.match(r"\s*(?:ROOT )?%?([\w.\-]+) = (.*)", line)
        if not match:
            continue
        name, text = match.groups()
        source = re.search(r'op_name="([^"]*)"', text)
        text = re.sub(r", (metadata|backend_config|frontend_attributes)=.*", "", text)
        text = re.sub(r"\{[\d,]+\}", "", text)
        found[name] = f"{name} = {text[:110]}" + (f"  <- {source[1]}" if source else "")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", help="FILE.py:FUNCTION")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--top", type=int, default=25)
    options = parser.parse_args()
    file, function = options.workload.rsplit(":", 1)
    spec = importlib.util.spec_from_file_location("workload", file)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    spec.loader.exec_module(module)
    wall, table = profile(*getattr(module, function)(), steps=options.steps)
    total = sum(row[0] for row in table)
    print(f"{wall:.2f} ms a step (traced); {total:.2f} ms of operations")
    for milliseconds, calls, line in table[: options.top]:
        print(f"{milliseconds:9.3f} ms {calls:8.0f}x  {line}")


if __name__ == "__main__":
    main()
