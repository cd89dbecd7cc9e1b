"""One measurement: one library, one workload, in a process of its own. Prints a JSON object.

`fit.py` starts it; by hand: `python benchmarks/fitting/worker.py kerata convnet --seconds 2`.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
from importlib import metadata

from workloads import PEERS, WORKLOADS


def limit_threads(threads):
    """Give every library the same number of threads, before it is imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def train_keras(keras, workload, x, y, enough):
    """Train until `enough(times)`; return (times, last loss, function that predicts)."""

    class Clock(keras.callbacks.Callback):
        """Notes the time after each epoch, once its loss is known: all its steps are done then."""

        def __init__(self):
            super().__init__()
            self.marks = [time.perf_counter()]

        def on_epoch_end(self, epoch, logs=None):
            """Note the time, and stop once it is enough."""
            self.loss = float(logs["loss"])
            self.marks.append(time.perf_counter())
            if enough(self.marks):
                self.model.stop_training = True

    clock = Clock()
    keras.utils.set_random_seed(0)
    if workload.on_gpu:
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = workload.model(keras)
    model.compile(optimizer="adam", loss=workload.loss_in(keras), metrics=list(workload.metrics))
    model.fit(x, y, batch_size=workload.batch, epochs=10_000, verbose=0, callbacks=[clock])
    return clock.marks, clock.loss, lambda: model.predict(x, batch_size=workload.batch, verbose=0)


def train_by_hand(keras, workload, x, y, enough):
    """Do what `train_keras` does in a loop around `jax.jit`, with the model as a pure function."""
    jax, np = importlib.import_module("jax"), importlib.import_module("numpy")
    keras.utils.set_random_seed(0)
    model = workload.model(keras)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    loss_function = keras.losses.get(workload.loss_in(keras))
    metrics = [keras.metrics.Mean(name="loss")]
    if workload.metrics:
        sparse = workload.loss.startswith("sparse")
        kind = keras.metrics.SparseCategoricalAccuracy if sparse else keras.metrics.BinaryAccuracy
        metrics.append(kind())

    def loss_of(trainable, others, x, y):
        outputs, others = model.stateless_call(trainable, others, x, training=True)
        loss = loss_function(y, outputs)  # of a function: one value a sample
        return loss.mean(), (outputs, others)

    def step(state, x, y):
        trainable, others, slots, counts = state
        (loss, (outputs, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            trainable, others, x, y
        )
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        arguments = [(loss,), (y, outputs)]
        counts = [
            metric.stateless_update_state(values, *given)
            for metric, values, given in zip(metrics, counts, arguments, strict=False)
        ]
        return trainable, others, slots, counts

    step = jax.jit(step, donate_argnums=0)
    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = (
        *[[v.value.copy() for v in group] for group in groups],
        [[v.value.copy() for v in metric.variables] for metric in metrics],
    )
    marks = [time.perf_counter()]
    while not enough(marks):
        order = np.random.permutation(len(x))
        state = (*state[:3], [[value * 0 for value in values] for values in state[3]])
        for low in range(0, len(x), workload.batch):
            rows = order[low : low + workload.batch]
            state = step(state, x[rows], y[rows])
        loss = float(metrics[0].stateless_result(state[3][0]))
        marks.append(time.perf_counter())
    forward = jax.jit(lambda values, x: model.stateless_call(*values, x, training=False)[0])

    def predict():
        starts = range(0, len(x), workload.batch)
        return np.concatenate([forward(state[:2], x[i : i + workload.batch]) for i in starts])

    return marks, loss, predict


def measure(peer, name, seconds, epochs, threads):
    """Return one measurement as a dict of seconds and bytes.

    Args:
        peer: key of `PEERS`.
        name: key of `WORKLOADS`.
        seconds: train and predict for at least so long after the first epoch,
        epochs: and for at least so many epochs.
        threads: number of threads.
    """
    limit_threads(threads)
    library, backend, packages = PEERS[peer]
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    workload = WORKLOADS[name]
    x, y = workload.data()

    def enough(marks):
        return len(marks) > epochs + 1 and marks[-1] - marks[1] > seconds

    started = time.perf_counter()
    if library:
        keras = importlib.import_module(library)
        # What every user of it touches: a lazily imported package has not got it before.
        _ = keras.Model, keras.layers.Dense, keras.optimizers.Adam, keras.callbacks.Callback
        imported = time.perf_counter()
        train = train_by_hand if peer == "kerata-by-hand" else train_keras
        marks, loss, predict = train(keras, workload, x, y, enough)
    else:
        torch = importlib.import_module("torch")
        torch.set_num_threads(threads)
        torch_workloads = importlib.import_module("torch_workloads")
        imported = time.perf_counter()
        marks, loss, predict = torch_workloads.train(
            name, workload, x, y, enough, compiled=peer == "torch-compile"
        )

    steady = [(b - a) / workload.steps for a, b in zip(marks[1:-1], marks[2:], strict=True)]
    predict()
    predictions = []
    while len(predictions) < 3 or sum(predictions) < seconds / 3:
        before = time.perf_counter()
        predict()
        predictions.append(time.perf_counter() - before)
    return {
        "step": statistics.median(steady),
        "first_epoch": marks[1] - imported,
        "import": imported - started,
        "predict": statistics.median(predictions) / workload.steps,
        "peak_memory": peak_memory(),
        "loss": loss,
        "epochs": len(steady),
        "versions": {package: version(package) for package in packages},
        "python": platform.python_version(),
    }


def version(package):
    """Return the installed version; the source tree's, where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return importlib.import_module(package).__version__


def peak_memory():
    """Return the largest resident size of this process so far, in bytes."""
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def main():
    """Measure what the arguments ask for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    result = measure(
        options.peer, options.workload, options.seconds, options.epochs, options.threads
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
