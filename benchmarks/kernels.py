"""Each formulation of kerata.kernels beside what lax does by default, and torch if it is there.

    python benchmarks/kernels.py [--only NAME] [--rounds 5] [--json FILE]

Printed are milliseconds, forward / forward and backward: the least of some rounds, in which the
candidates take turns, so that a machine that slows down does so for all. The last column is how
many times the processor time of kerata lax takes, which other programs disturb less than the
clock on the wall. Malloc is set as kerata sets it (KERATA_MALLOC=default leaves it).
"""

import argparse
import json
import os
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kerata import kernels

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None


def cases():
    """Yield (name, function, shapes of its arguments, the same in torch or None)."""
    for shape, window, strides, padding in [
        ((64, 26, 26, 32), 2, 2, "valid"),
        ((32, 86, 86, 32), 3, 2, "same"),
        ((32, 22, 22, 128), 3, 2, "same"),
        ((16, 28, 28, 64), 3, 1, "same"),
    ]:
        for pool in ("max_pool", "avg_pool"):
            yield (
                f"{pool} {by(shape)} {window}/{strides} {padding}",
                partial(getattr(kernels, pool), window=window, strides=strides, padding=padding),
                [shape],
                # torch pads both sides alike: as many windows, though elsewhere
                torch and partial(getattr(F, f"{pool}2d"), kernel_size=window, stride=strides,
                                  padding=window // 2 if padding == "same" else 0),
            )  # fmt: skip
    for shape, strides in [
        ((16, 86, 86, 32), 1),
        ((16, 43, 43, 64), 1),
        ((8, 14, 14, 512), 1),
        ((16, 86, 86, 32), 2),
    ]:
        yield (
            f"depthwise_conv {by(shape)} 3/{strides}",
            partial(kernels.depthwise_conv, strides=strides, padding="same"),
            [shape, (3, 3, shape[-1], 1)],
            torch and partial(F.conv2d, stride=strides, padding=1, groups=shape[-1]),
        )
    for shape, kernel, padding in [
        ((64, 28, 28, 1), (3, 3, 1, 32), "valid"),
        ((64, 5, 5, 64), (3, 3, 64, 128), "valid"),
        ((64, 13, 13, 32), (3, 3, 32, 64), "valid"),
        ((8, 56, 56, 64), (3, 3, 64, 64), "same"),
        ((32, 2, 2, 128), (3, 3, 128, 128), "same"),
        ((16, 86, 86, 32), (1, 1, 32, 64), "same"),
        ((8, 28, 28, 128), (3, 3, 32, 128), "same"),
        ((4, 16, 16, 16, 16), (3, 3, 3, 16, 32), "same"),
    ]:
        groups = shape[-1] // kernel[-2]
        yield (
            f"conv {by(shape)} kernel {by(kernel)} {padding}",
            partial(kernels.conv, padding=padding),
            [shape, kernel],
            torch and partial(F.conv2d if len(kernel) == 4 else F.conv3d, groups=groups,
                              padding=kernel[0] // 2 if padding == "same" else 0),
        )  # fmt: skip
    for shape, kernel in [((16, 14, 14, 64), (3, 3, 32, 64)), ((8, 32, 32, 64), (4, 4, 64, 64))]:
        name = f"conv_transpose {by(shape)} kernel {by(kernel)} /2"
        yield (
            name,
            partial(kernels.conv_transpose, strides=2, padding="same"),
            [shape, kernel],
            None,
        )
    for rows, width in [(4096, 256), (1024, 768)]:
        yield (
            f"layer_norm {rows}x{width}",
            partial(kernels.layer_norm, axes=(1,), epsilon=1e-3),
            [(rows, width), (width,), (width,)],
            torch and (lambda x, scale, offset: F.layer_norm(x, scale.shape, scale, offset, 1e-3)),
        )
    yield (
        "dot of relu 65536x32 by 32x64",
        lambda x, w: kernels.dot(jax.nn.relu(x), w),
        [(65536, 32), (32, 64)],
        torch and (lambda x, w: F.relu(x) @ w),
    )
    yield "batch_moments 32x86x86x32", normalized, [(32, 86, 86, 32)], None


def by(shape):
    return "x".join(map(str, shape))


def normalized(x):
    mean, variance = kernels.batch_moments(x, (0, 1, 2))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-3)


def dropout_cases(shape=(4096, 1024)):
    """Yield dropout's bits and jax.random's; these have no two formulations to choose from."""
    key = jnp.array([1, 2], jnp.uint32)
    x = numbers(shape)
    ours = jax.jit(lambda x: jnp.where(kernels.dropout_mask(key, 0.1, shape), x / 0.9, 0))
    typed = jax.random.wrap_key_data(key)
    jaxs = jax.jit(lambda x: jnp.where(jax.random.bernoulli(typed, 0.9, shape), x / 0.9, 0))
    runs = {"lax": lambda: jaxs(x), "kerata": lambda: ours(x)}
    if torch:
        t = torch.from_numpy(np.array(x))
        runs["torch"] = lambda: F.dropout(t, 0.1)
    return f"dropout_mask {shape[0]}x{shape[1]} (lax: jax.random.bernoulli)", runs


def cross_entropy_cases(rows=512, classes=20000):
    """Yield the fused loss and the one of one-hot labels."""
    x = numbers((rows, classes))
    labels = jnp.arange(rows) % classes
    one_hot = jax.nn.one_hot(labels, classes)
    ours = jax.jit(jax.grad(lambda x: kernels.sparse_softmax_cross_entropy(x, labels).sum()))
    plain = jax.jit(jax.grad(lambda x: -jnp.sum(jax.nn.log_softmax(x) * one_hot)))
    runs = {"lax": lambda: plain(x), "kerata": lambda: ours(x)}
    return f"cross entropy gradient {rows}x{classes} (lax: one-hot)", runs


def numbers(shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def compiled(function, arguments, mode):
    """Return what runs `function` forward, and forward and backward, as formulated in `mode`."""
    with kernels.using(mode):
        y = jax.eval_shape(function, *arguments)

        def both(g, *arguments):
            y, back = jax.vjp(function, *arguments)
            return y, back(g)

        gradient = numbers(y.shape)
        forward = jax.jit(lambda *a: function(*a)).lower(*arguments).compile()
        backward = jax.jit(lambda *a: both(*a)).lower(gradient, *arguments).compile()
    return lambda: forward(*arguments), lambda: backward(gradient, *arguments)


def in_torch(function, arguments):
    """Return the same for torch, with images in channels-last memory and kernels as it has them."""
    tensors = []
    for i, x in enumerate(arguments):
        t = torch.from_numpy(np.array(x))
        if x.ndim > 2:  # (batch, ..., channels), or a kernel (..., in, out)
            t = t.movedim(-1, 1) if i == 0 else t.movedim((-1, -2), (0, 1))
            if i and arguments[0].shape[-1] == x.shape[-2] and x.shape[-1] == 1:
                t = t.movedim(0, 1)  # depthwise: (channels, 1, ...)
            layout = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
            t = t.contiguous(memory_format=layout)
        tensors.append(t.requires_grad_())
    gradient = torch.randn_like(function(*tensors))

    def forward():
        with torch.no_grad():
            function(*tensors)

    def backward():
        torch.autograd.grad(function(*tensors), tensors, gradient)

    return forward, backward


def measure(runs, rounds):
    """Return {name: (least milliseconds, least milliseconds of processor time)}."""
    best = dict.fromkeys(runs, (float("inf"), float("inf")))
    for run in runs.values():
        jax.block_until_ready(run())
    for _ in range(rounds):
        for name, run in runs.items():
            wall, cpu, calls = time.perf_counter(), time.process_time(), 0
            while calls == 0 or time.perf_counter() - wall < 0.03:
                jax.block_until_ready(run())
                calls += 1
            spent = time.perf_counter() - wall, time.process_time() - cpu
            spent = (s / calls * 1e3 for s in spent)
            best[name] = tuple(map(min, best[name], spent))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write the measurements there, too")
    options = parser.parse_args()
    if torch:
        torch.set_num_threads(os.cpu_count())
    results = {}
    print(f"{'':64}{'lax':>18}{'kerata':>18}{'torch':>18}   lax / kerata, of CPU time")
    for name, function, shapes, there in cases():
        if options.only not in name:
            continue
        arguments = [numbers(s) for s in shapes]
        pairs = {mode: compiled(function, arguments, mode) for mode in ("lax", "cpu")}
        if torch and there:
            pairs["torch"] = in_torch(there, arguments)
        passes = [
            measure({{"cpu": "kerata"}.get(n, n): p[i] for n, p in pairs.items()}, options.rounds)
            for i in range(2)
        ]
        results[name] = passes
        report(name, passes)
    for name, runs in (dropout_cases(), cross_entropy_cases()):
        if options.only in name:
            results[name] = [measure(runs, options.rounds)]
            report(name, results[name])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


def report(name, passes):
    def cell(library):
        return " / ".join(f"{p[library][0]:.2f}" for p in passes) if library in passes[0] else "-"

    ratios = " / ".join(f"{p['lax'][1] / p['kerata'][1]:.1f}x" for p in passes)
    print(
        f"{name:64}{cell('lax'):>18}{cell('kerata'):>18}{cell('torch'):>18}   {ratios}", flush=True
    )


if __name__ == "__main__":
    main()
