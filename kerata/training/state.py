"""The state of training: what the rest of a run follows from, in one structure."""

import dataclasses
from typing import Any

import numpy as np

from kerata.engine import rng
from kerata.training.feeding import Stream

VERSION = 1


@dataclasses.dataclass
class TrainingState:
    """Where a run of `fit` stands.

    Everything that happens from here on is a function of this: `snapshot` returns it as plain
    numbers and NumPy arrays, and a `fit` that is begun from a snapshot goes on as the interrupted
    one would have, bit for bit.

    Attributes:
        trainer: the model; its variables, its optimizer's and its metrics' are part of the state.
        stream: the place in the data.
        seed: integers that the order of the samples follows from.
        epoch: the epoch that is next or under way, counted from 0.
        step: batches trained in it so far.
        callbacks: the `CallbackList`.
    """

    trainer: Any
    stream: Stream | None = None
    seed: tuple[int, ...] = (0,)
    epoch: int = 0
    step: int = 0
    callbacks: Any = None

    def begin_epoch(self, epoch: int) -> None:
        """Note that `epoch` is under way."""
        self.epoch = epoch

    def end_epoch(self) -> None:
        """Note that the next epoch is due."""
        self.epoch += 1
        self.step = 0

    def variables(self) -> dict[str, list]:
        """Return the variables that training changes, in three groups, in a fixed order."""
        optimizer = self.trainer.optimizer
        return {
            "model": list(self.trainer.variables),
            "optimizer": [] if optimizer is None else list(optimizer.variables),
            "metrics": list(self.trainer.metrics_variables),
        }

    def snapshot(self) -> dict:
        """Return the state as nested dicts and lists of integers and NumPy arrays.

        Keys: "version", "epoch", "step", "seed", "place" ({"pass", "position"} in the data),
        "random" (the global random generator), and the values of "model", "optimizer" and
        "metrics" variables; "callbacks", if they have something to remember.
        """
        found = {
            "version": VERSION,
            "epoch": self.epoch,
            "step": self.step,
            "seed": list(self.seed),
            "place": self.stream.state() if self.stream else {"pass": 0, "position": 0},
            "random": np.array(rng.global_seed_generator().state.numpy()),
        }
        for group, variables in self.variables().items():
            found[group] = [np.array(v.numpy()) for v in variables]
        memory = getattr(self.callbacks, "get_state", None)
        if memory is not None:
            found["callbacks"] = memory()
        return found

    def restore(self, snapshot: dict) -> None:
        """Set everything to what `snapshot` holds.

        Args:
            snapshot: what `snapshot` returned for a model, optimizer and metrics made alike.

        Raises:
            ValueError: if the number or a shape of the variables differs; nothing is set then.
        """
        if snapshot.get("version") != VERSION:
            raise ValueError(
                f"The state of training must be of version {VERSION}.\n"
                f"Received: version {snapshot.get('version')!r}"
            )
        groups = self.variables()
        for group, variables in groups.items():
            have = [v.shape for v in variables]
            came = [tuple(np.shape(value)) for value in snapshot[group]]
            if have != came:
                raise ValueError(
                    f"The {group} variables must be those of the state: {len(came)} of shapes "
                    f"{came[:5]} …\nReceived: {len(have)} of shapes {have[:5]} …\n"
                    "Build and compile the model as it was when the state was taken."
                )
        for group, variables in groups.items():
            for variable, value in zip(variables, snapshot[group], strict=True):
                variable.assign(value)
        rng.global_seed_generator().state.assign(snapshot["random"])
        self.epoch = snapshot["epoch"]
        self.step = snapshot["step"]
        self.seed = tuple(snapshot["seed"])
        if self.stream is not None:
            place = snapshot["place"]
            self.stream.feed.seed = self.seed
            self.stream = Stream(self.stream.feed, place["pass"], place["position"])
        memory = getattr(self.callbacks, "set_state", None)
        if memory is not None and "callbacks" in snapshot:
            memory(snapshot["callbacks"])


def resume_from(trainer, snapshot: dict) -> None:
    """Let the next `fit` of a model go on from a snapshot.

    Args:
        trainer: the model, compiled as it was when the snapshot was taken.
        snapshot: what `TrainingState.snapshot` returned.
    """
    trainer._resume_from = snapshot
