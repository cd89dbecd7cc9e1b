"""Rows of compiled models: what is compared are the losses and metrics of further steps."""

from tools.roundtrip_models import classes, mlp, residual
from tools.roundtrip_row import Row, integers, normal

FEATURES, GOALS = normal(8, 4), normal(8, 2)


def compiled(model, k, optimizer, loss="mean_squared_error", **kwargs):
    """Compile a model, and make the optimizer's variables."""
    model.compile(optimizer, loss, **kwargs)
    model.optimizer.build(model.trainable_variables)
    return model


def optimizer(name, title="", **kwargs) -> Row:
    """Return the row of an optimizer; arguments that are functions are given the package."""

    def make(k):
        named = {key: value(k) if callable(value) else value for key, value in kwargs.items()}
        return compiled(mlp(k), k, getattr(k.optimizers, name)(**named))

    return Row("training", f"{name} {title}".strip(), make, FEATURES, GOALS)


def schedule(name, *args, **kwargs):
    """Return a function that makes a schedule."""
    return lambda k: getattr(k.optimizers.schedules, name)(*args, **kwargs)


def losses_and_metrics(k):
    """Return a model of two outputs, compiled with losses, weights and metrics of many forms."""
    x = k.Input((4,))
    y = k.layers.Dense(3, "tanh")(x)
    outputs = {"a": k.layers.Dense(2, name="a")(y), "b": k.layers.Dense(2, name="b")(y)}
    return compiled(
        k.Model(x, outputs), k, "adam",
        {"a": k.losses.Huber(delta=0.5), "b": classes(k)["odd_loss"]},
        loss_weights={"a": 0.3, "b": 2.0},
        metrics={"a": ["mae", k.metrics.RootMeanSquaredError(name="rmse")], "b": "mse"},
        weighted_metrics={"a": [k.metrics.MeanAbsoluteError(name="weighted")]},
    )  # fmt: skip


def classifier(k):
    """Return a compiled classifier, with an object for its loss and several metrics."""
    model = k.Sequential([k.Input((4,)), k.layers.Dense(5), k.layers.Dense(3, "softmax")])
    loss = k.losses.SparseCategoricalCrossentropy()
    metrics = ["accuracy", k.metrics.SparseTopKCategoricalAccuracy(k=2)]
    return compiled(model, k, k.optimizers.Adam(), loss, metrics=metrics)


def multi_optimizer(k):
    """Return a model whose optimizer averages weights and clips gradients."""
    options = {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}
    return compiled(mlp(k), k, k.optimizers.Adam(0.05, clipnorm=0.1, weight_decay=0.01, **options))


def scaled_loss(k):
    """Return a model under mixed_float16, whose loss is scaled."""
    policy = {"dtype": "mixed_float16"}
    model = k.Sequential(
        [k.Input((4,)), k.layers.Dense(3, **policy), k.layers.Dense(2, dtype="float32")]
    )
    inside = k.optimizers.Adam(0.02)
    return compiled(model, k, k.optimizers.LossScaleOptimizer(inside, dynamic_growth_steps=2))


def regularized(k):
    """Return a compiled network with penalties and batch normalization."""
    return compiled(residual(k, 0.0), k, k.optimizers.SGD(0.01, momentum=0.9))


TRAINED = [
    optimizer("SGD", learning_rate=0.05),
    optimizer("SGD", "with momentum", learning_rate=0.05, momentum=0.9, nesterov=True),
    *(optimizer(name, learning_rate=0.01)
      for name in ("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Ftrl", "Lamb",
                   "Lion", "Nadam", "RMSprop", "ScheduleFreeAdamW")),
    optimizer("Muon", learning_rate=0.01),
    optimizer("Adam", "amsgrad", learning_rate=0.01, amsgrad=True),
    optimizer("RMSprop", "centered", learning_rate=0.01, momentum=0.5, centered=True),
    optimizer("Adam", "gradient accumulation", learning_rate=0.01, gradient_accumulation_steps=2),
    Row("training", "Adam, averaged and clipped", multi_optimizer, FEATURES, GOALS),
    Row("training", "loss scaling", scaled_loss, FEATURES, GOALS),
    *(optimizer("SGD", args[0], learning_rate=schedule(*args))
      for args in (
          ("CosineDecay", 0.1, 4), ("CosineDecayRestarts", 0.1, 2),
          ("ExponentialDecay", 0.1, 1, 0.5), ("InverseTimeDecay", 0.1, 1, 0.5),
          ("PiecewiseConstantDecay", [1, 3], [0.1, 0.05, 0.01]), ("PolynomialDecay", 0.1, 4),
      )),
    Row("training", "losses, weights and metrics of two outputs", losses_and_metrics, FEATURES,
        {"a": GOALS, "b": GOALS}),
    Row("training", "classifier", classifier, FEATURES, integers(8, below=3)),
    Row("training", "penalties, batch normalization", regularized, normal(4, 6, 6, 3),
        normal(4, 2)),
]  # fmt: skip
