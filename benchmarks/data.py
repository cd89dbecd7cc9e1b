"""How fast data come: kerata's loaders and text layer beside their peers', in one run.

    python benchmarks/data.py                       every workload, every peer that is installed
    python benchmarks/data.py --quick --workloads images --peers kerata,torch
    python benchmarks/data.py --peer-python PATH    peers that live in another environment

As in `fit.py`, every measurement is a process of its own with the same number of threads, rounds
alternate between the peers, and ratios are taken within a round. See README.md beside this file.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fit
import numpy as np

# name: (library, Keras backend, packages that it needs)
PEERS = {
    "kerata": ("kerata", None, ["jax", "grain"]),
    "keras with tf.data": ("keras", "jax", ["tensorflow"]),
    "torch": (None, None, ["torch", "PIL"]),
}
WORKLOADS = {
    "images": "2,000 JPEGs of 320x240 from a folder, resized to 160x160, batches of 32, shuffled",
    "text": "100,000 texts of 12 words through TextVectorization to 20 integers, batches of 1,024",
}
IMAGES, SIZE, BATCH = 2000, (160, 160), 32
TEXTS, WORDS = 100_000, 5000


def make_images(folder):
    """Write JPEGs that compress like photographs: smooth shapes with some noise."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(IMAGES):
        target = Path(folder, f"class_{number % 10}")
        target.mkdir(exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype="uint8"))
        smooth = np.asarray(coarse.resize((320, 240), Image.Resampling.BICUBIC), "float32")
        noisy = np.clip(smooth + generator.normal(0, 6, smooth.shape), 0, 255).astype("uint8")
        Image.fromarray(noisy).save(target / f"{number}.jpg", quality=90)


def make_texts():
    """Return texts of words whose frequencies fall as in language (Zipf)."""
    generator = np.random.default_rng(0)
    words = np.array(["".join(generator.choice(list("aeioubdklmnrst"), 6)) for _ in range(WORDS)])
    share = 1 / np.arange(1, WORDS + 1)
    chosen = generator.choice(words, (TEXTS, 12), p=share / share.sum())
    return [" ".join(row).capitalize() + "." for row in chosen]


def torch_images(folder, threads):
    """Return a loader as torch's users write it."""
    torch = importlib.import_module("torch")
    from PIL import Image

    class Pictures(torch.utils.data.Dataset):
        """The pictures of a folder."""

        def __init__(self):
            self.paths = sorted(Path(folder).glob("*/*.jpg"))

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            image = Image.open(self.paths[index]).convert("RGB").resize(SIZE[::-1], 2)
            return torch.from_numpy(np.asarray(image, "float32")), int(
                self.paths[index].parent.name[6:]
            )

    return torch.utils.data.DataLoader(
        Pictures(), BATCH, shuffle=True, num_workers=threads, persistent_workers=True
    )


def measure(peer, workload, folder, seconds, threads):
    """Return samples a second, after a first pass."""
    sys.path.insert(0, str(Path(__file__).resolve().parent / "fitting"))
    worker = importlib.import_module("worker")
    worker.limit_threads(threads)
    library, backend, packages = PEERS[peer]
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    keras = importlib.import_module(library) if library else None
    if workload == "images" and keras:
        batches = keras.utils.image_dataset_from_directory(
            folder, image_size=SIZE, batch_size=BATCH, verbose=False
        )
    elif workload == "images":
        batches = torch_images(folder, threads)
    elif keras is None or not hasattr(keras.layers, "TextVectorization"):
        raise SystemExit("there is no such layer")
    else:
        texts = make_texts()
        layer = keras.layers.TextVectorization(max_tokens=WORDS, output_sequence_length=20)
        layer.adapt(texts[:10_000])
        parts = [np.array(texts[i : i + 1024], dtype=object) for i in range(0, TEXTS, 1024)]

    def one_pass():
        if workload == "images":
            return sum(len(labels) for _, labels in batches)
        return sum(np.asarray(layer(part)).shape[0] for part in parts)

    started = time.perf_counter()
    one_pass()
    first = time.perf_counter() - started
    rates = []
    started = time.perf_counter()
    while not rates or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        count = one_pass()
        rates.append(count / (time.perf_counter() - before))
    versions = {name: worker.version({"PIL": "pillow"}.get(name, name)) for name in packages}
    return {
        "rate": statistics.median(rates), "first_pass": first, "versions": versions,
        "peak_memory": worker.peak_memory(),
    }  # fmt: skip


def run_worker(python, peer, workload, folder, options):
    """Return one measurement in a process of its own, or {"error": its last line}."""
    command = [python, __file__, "--worker", peer, workload, folder]
    command += ["--seconds", str(options.seconds), "--threads", str(options.threads)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=fit.environment(), timeout=options.timeout
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {options.timeout:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    return json.loads(done.stdout.splitlines()[-1])


def table(results, peers, workloads):
    """Return the rates in Markdown, with kerata's divided by the peer's in bold."""
    lines = ["| samples a second | " + " | ".join(peers) + " |", "|---" * (len(peers) + 1) + "|"]
    for workload in workloads:
        cells = []
        for peer in peers:
            found = fit.values(results, workload, peer, "rate")
            own = fit.values(results, workload, "kerata", "rate")
            ratios = [own[n] / found[n] for n in found if n in own]
            text = f"{statistics.median(found.values()):,.0f}" if found else "-"
            if peer != "kerata" and ratios:
                text += f" **{statistics.median(ratios):.2f}**"
            cells.append(text)
        lines.append(f"| {workload} | " + " | ".join(cells) + " |")
    lines.append("\nIn bold kerata's rate divided by the peer's: above 1, kerata is faster.")
    return "\n".join(lines)


def arguments(argv=None):
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", type=fit.names(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--peers", type=fit.names(PEERS), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement, at least")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds, per measurement")
    parser.add_argument("--quick", action="store_true", help="one short round: a rough picture")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements")
    parser.add_argument("--peer-python", action="append", default=[], metavar="PATH")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.device = "cpu"
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    return options


def main(argv=None):
    """Measure and print the table."""
    options = arguments(argv)
    if options.worker:
        print(json.dumps(measure(*options.worker, options.seconds, options.threads)))
        return 0
    pythons = fit.interpreters(options.peers, [*options.peer_python], PEERS)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        if "images" in options.workloads:
            make_images(folder)
        for number in range(options.rounds):
            for workload in options.workloads:
                peers = [p for p in options.peers if p in pythons]
                for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
                    if (workload, peer) == ("text", "torch"):
                        continue
                    found = run_worker(pythons[peer], peer, workload, folder, options)
                    results.append({"round": number, "workload": workload, "peer": peer} | found)
                    note = found.get("error") or f"{found['rate']:,.0f} samples a second"
                    print(f"{workload}, {peer}: {note}", file=sys.stderr)
    about = fit.machine(options)
    print(f"\n{about['processor']}, {about['threads']} threads, {about['date']}")
    for name in options.workloads:
        print(f"- {name}: {WORKLOADS[name]}")
    print("\n" + table(results, options.peers, options.workloads))
    if options.json:
        record = {"machine": about, "measurements": results}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int(any("error" in each for each in results))


if __name__ == "__main__":
    sys.exit(main())
