"""`compile`: how a model is trained, and what it reports."""

from typing import Any

from kerata import optimizers
from kerata.engine import tree
from kerata.engine.configurable import deserialize, serialize
from kerata.engine.errors import positive_int, reworded, warn
from kerata.training import checks
from kerata.training.mistaken import refuse_metrics_as_weights
from kerata.training.objectives import CompiledLoss, CompiledMetrics, LossTracker


class Compiled:
    """What `compile` was given, and what it made of it."""

    def __init__(self, arguments: dict, output_names):
        self.arguments = arguments
        self.output_names = output_names
        loss, metrics = arguments["loss"], arguments["metrics"]
        refuse_metrics_as_weights(arguments["loss_weights"])
        weighted = arguments["weighted_metrics"]
        self.loss = None if loss is None else CompiledLoss(loss, arguments["loss_weights"])
        self.metrics = (
            CompiledMetrics(metrics, weighted, output_names) if metrics or weighted else None
        )
        self.tracker = LossTracker(name="loss")
        self.output_shapes: list[tuple] | None = None

    def all_metrics(self) -> list:
        """Return the loss's tracker, the metrics, and the trackers of several losses."""
        found: list = [self.tracker]
        if self.metrics is not None:
            found.append(self.metrics)
        return found + (self.loss.trackers if self.loss is not None else [])

    @property
    def built(self) -> bool:
        """Whether losses and metrics are matched with the outputs."""
        return all(part is None or part.built for part in (self.loss, self.metrics))

    def build(self, y, y_pred) -> None:
        """Match losses and metrics with the outputs."""
        self.output_shapes = [tuple(x.shape) for x in tree.flatten(y_pred)]
        if self.loss is not None and not self.loss.built:
            self.loss.build(y_pred, self.output_names)
        if self.metrics is not None and not self.metrics.built:
            self.metrics.build(y, y_pred)


class _LossTracker:
    """The mean of the loss, which steps written for Keras update; a model may set its own."""

    def __get__(self, model, owner=None):
        if model is None or model._compiled is None:
            raise AttributeError("A model has a `_loss_tracker` once it is compiled.")
        return model._compiled.tracker


class Compiling:
    """The part of `Trainer` that holds what `compile` sets."""

    _loss_tracker: Any = _LossTracker()

    trainable_variables: Any
    optimizer: Any = None
    loss: Any = None
    compiled = False
    stop_training = False
    steps_per_execution = 1
    train_function: Any = None
    test_function: Any = None
    predict_function: Any = None
    _compiled: Compiled | None = None
    _batch_functions: dict = {}
    _orders: dict = {}
    _run_eagerly = False
    _jit_compile: bool | str = "auto"

    @reworded
    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Set how the model is trained.

        Args:
            optimizer: optimizer, or its name.
            loss: loss: a name, a function `(y_true, y_pred)`, or a `Loss`; for several outputs
                one for all, a list, a dict by name, or a structure like the outputs. None where
                the model adds its own losses (`add_loss`, `compute_loss`).
            loss_weights: factor of each output's loss in the total, structured likewise.
            metrics: list of metrics to report; for several outputs a list with an entry (a metric
                or a list) for each, or a dict by name. "accuracy" becomes the kind that fits the
                shapes of targets and outputs.
            weighted_metrics: metrics that sample weights apply to.
            run_eagerly: whether to run steps operation by operation, for debugging.
            steps_per_execution: batches that one compiled call works through. More save time
                where steps are very short.
            jit_compile: whether to compile steps. "auto" does.
            auto_scale_loss: whether to scale the loss, against underflow, in mixed_float16.

        Raises:
            ValueError: if a name is unknown, or an argument out of range.

        Example:
            >>> model = kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(3)])
            >>> model.compile("adam", "mse", metrics=["mae"])
            >>> model.optimizer.name
            'adam'
        """
        steps_per_execution = positive_int("steps_per_execution", steps_per_execution, "compile()")
        if run_eagerly and jit_compile is True:
            warn(
                "With run_eagerly=True nothing is compiled: jit_compile=True has no effect.",
            )
            jit_compile = False
        arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        compiled = Compiled(arguments, getattr(self, "output_names", None))
        optimizer = optimizers.get(optimizer)
        policy = getattr(self, "dtype_policy", None)
        if (
            auto_scale_loss
            and optimizer is not None
            and getattr(policy, "name", "") == "mixed_float16"
            and not isinstance(optimizer, optimizers.LossScaleOptimizer)
        ):
            optimizer = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
        # Nothing can fail from here on, so that a mistake leaves the model as it was.
        self.optimizer = optimizer
        self.loss = loss
        self._compiled = compiled
        self._run_eagerly = bool(run_eagerly)
        self._jit_compile = jit_compile
        self.steps_per_execution = steps_per_execution
        self.stop_training = False
        self.compiled = True
        self._forget_functions()

    # Methods of older versions of Keras.
    fit_generator = checks.Gone("fit")
    evaluate_generator = checks.Gone("evaluate")
    predict_generator = predict_proba = checks.Gone("predict")
    predict_classes = checks.Gone("predict(x).argmax(axis=-1)")

    def _forget_functions(self):
        """Forget all compiled step functions: what they were made from has changed."""
        self.train_function = self.test_function = self.predict_function = None
        self._batch_functions = {}
        self._orders = {}
        vars(self).pop("_trained", None)

    def _require_compiled(self, method: str) -> Compiled:
        if not self.compiled or self._compiled is None:
            raise ValueError(
                f"You must call `compile()` before `{method}()`.\n"
                f"Received: {type(self).__name__} {getattr(self, 'name', '')!r}, not compiled\n"
                'For example: model.compile(optimizer="adam", loss="mse")'
            )
        return self._compiled

    @property
    def compiled_loss(self):
        """The loss that `compile` was given, as a function `(y, y_pred, sample_weight, size)`."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run operation by operation."""
        return self._run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value):
        self._run_eagerly = bool(value)
        self._forget_functions()

    @property
    def jit_compile(self) -> bool:
        """Whether steps are compiled (unless `run_eagerly`)."""
        return True if self._jit_compile == "auto" else bool(self._jit_compile)

    @jit_compile.setter
    def jit_compile(self, value):
        self._jit_compile = value
        self._forget_functions()

    @property
    def compiles_steps(self) -> bool:
        """Whether the step functions are compiled."""
        return self.jit_compile and not self.run_eagerly

    def get_compile_config(self) -> dict | None:
        """Return what `compile` was given, as a dict for JSON; None if it was not called."""
        if not self.compiled or self._compiled is None:
            return None
        config = {k: serialize(v) for k, v in self._compiled.arguments.items()}
        config["optimizer"] = serialize(self.optimizer)
        return config

    def compile_from_config(self, config: dict) -> None:
        """Call `compile` with what `get_compile_config` returned."""
        if type(self).compile is not Compiling.compile and (
            type(self).get_compile_config is Compiling.get_compile_config
        ):
            warn(
                f"{type(self).__name__} overrides compile(), so it is not compiled when it is "
                "loaded.\nOverride get_compile_config() and compile_from_config() as well, or "
                "call compile() yourself.",
            )
            return
        arguments = {key: deserialize(value) for key, value in config.items()}
        self.compile(**arguments)
        if self.optimizer is not None and getattr(self, "built", False):
            self.optimizer.build(self.trainable_variables)

    # Metrics.

    @property
    def metrics(self) -> list:
        """The metrics: the loss's mean, those of `compile`, and those that layers hold."""
        own = [] if self._compiled is None else self._compiled.all_metrics()
        inside = super().metrics  # type: ignore[misc]
        # Models inside this one keep what they were compiled with to themselves.
        return own + [m for m in inside if not isinstance(m, (LossTracker, CompiledMetrics))]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    @property
    def metrics_variables(self) -> list:
        """The variables of `metrics`."""
        return [v for metric in self.metrics for v in metric.variables]

    def reset_metrics(self) -> None:
        """Reset all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict:
        """Return the results of all metrics: a dict from names to scalars."""
        found: dict = {}
        for metric in self.metrics:
            result = metric.result()
            if isinstance(result, dict):
                found.update(result)
            else:
                found.setdefault(metric.name, result)
        return found
