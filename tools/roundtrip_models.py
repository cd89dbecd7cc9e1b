"""Models that both kerata and Keras can make: the rows of the table of `tools/roundtrip.py`.

A row's `make` takes the package, `kerata` or `keras`, and returns a built model with initial
weights.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tools.roundtrip_ops import OPS


class Row(NamedTuple):
    """One model.

    Attributes:
        group: kind of model.
        name: name in the table.
        make: function from the package to the model.
        inputs: what to call the model on; for one that is compiled, what to train it on.
        targets: what to train it towards; None for a model that is only called.
        after: function `(package, model)` that changes the model once it has its weights.
        options: arguments of the call, such as `training=True`.
        tolerance: by how much outputs may differ.
    """

    group: str
    name: str
    make: Callable[[Any], Any]
    inputs: Any
    targets: Any = None
    after: Callable[[Any, Any], Any] | None = None
    options: dict = {}
    tolerance: float = 1e-5


def normal(*shape, dtype="float32"):
    """Return random numbers."""
    return np.random.default_rng(len(shape)).normal(size=shape).astype(dtype)


def integers(*shape, below=5):
    """Return random integers from 0 on."""
    return np.random.default_rng(len(shape)).integers(0, below, shape).astype("int32")


def fill(model) -> None:
    """Give every weight of floats a value of its own, in (0.1, 0.6): none stays as it began."""
    rng = np.random.default_rng(7)
    for v in model.weights:
        if str(v.dtype).startswith(("float", "bfloat")):
            v.assign((0.1 + 0.5 * rng.random(tuple(v.shape))).astype("float32"))


# One layer in a functional model.


def graph(k, layer, inputs, **options):
    """Return a functional model of one layer that is called on inputs like `inputs`."""

    def placeholder(x):
        return k.Input(x.shape[1:], dtype=str(x.dtype) if x.dtype.kind != "U" else "string")

    x = [placeholder(x) for x in inputs] if isinstance(inputs, list) else placeholder(inputs)
    return k.Model(x, layer(x, **options))


def layer(name, *args, inputs, title="", group="layers", row=None, **kwargs) -> Row:
    """Return the row of a layer; arguments that are functions are given the package."""

    def value(x, k):
        if isinstance(x, list):
            return [value(y, k) for y in x]
        return x(k) if callable(x) else x

    def make(k):
        named = {key: value(x, k) for key, x in kwargs.items()}
        return graph(k, getattr(k.layers, name)(*(value(x, k) for x in args), **named), inputs)

    return Row(group, f"{name} {title}".strip(), make, inputs, **(row or {}))


def inner(name, *args, **kwargs):
    """Return a function that makes a layer, of the package that it is given."""
    return lambda k: getattr(k.layers, name)(*args, **kwargs)


SEQUENCE, IMAGE, VOLUME = normal(2, 6, 3), normal(2, 6, 5, 3), normal(1, 4, 5, 4, 2)
PAIR, TOKENS, FLAT = [normal(2, 6, 3), normal(2, 6, 3)], integers(2, 6), normal(2, 4)
FILMS = normal(1, 3, 4, 4, 2)
TRAINING: dict = {"row": {"options": {"training": True}}}

LAYERS = [
    layer("Dense", 4, activation="gelu", inputs=SEQUENCE),
    layer("Dense", 4, kernel_regularizer="l1l2", bias_constraint="non_neg", title="regularized",
          inputs=SEQUENCE),
    layer("EinsumDense", "abc,cd->abd", (None, 4), bias_axes="d", inputs=SEQUENCE),
    layer("Embedding", 5, 3, mask_zero=True, inputs=TOKENS),
    layer("ReversibleEmbedding", 5, 3, tie_weights=False, inputs=TOKENS),
    layer("Masking", inputs=SEQUENCE),
    layer("Activation", "mish", inputs=SEQUENCE),
    layer("PReLU", shared_axes=[1], inputs=SEQUENCE),
    layer("LeakyReLU", 0.1, inputs=SEQUENCE),
    layer("ReLU", max_value=1.0, inputs=SEQUENCE),
    layer("Softmax", axis=1, inputs=SEQUENCE),
    layer("Conv1D", 4, 3, padding="causal", inputs=SEQUENCE),
    layer("Conv2D", 4, 3, strides=2, padding="same", inputs=IMAGE),
    layer("Conv2D", 6, 3, groups=3, dilation_rate=2, padding="same", title="groups", inputs=IMAGE),
    layer("Conv3D", 2, 2, inputs=VOLUME),
    layer("Conv1DTranspose", 4, 3, strides=2, inputs=SEQUENCE),
    layer("Conv2DTranspose", 4, 2, strides=2, output_padding=1, inputs=IMAGE),
    layer("Conv3DTranspose", 2, 2, inputs=VOLUME),
    layer("DepthwiseConv1D", 3, depth_multiplier=2, inputs=SEQUENCE),
    layer("DepthwiseConv2D", 3, inputs=IMAGE),
    layer("SeparableConv1D", 4, 3, inputs=SEQUENCE),
    layer("SeparableConv2D", 4, 3, inputs=IMAGE),
    layer("MaxPooling2D", 2, inputs=IMAGE),
    layer("AdaptiveAveragePooling2D", 2, inputs=IMAGE),
    layer("UpSampling2D", interpolation="bilinear", inputs=IMAGE),
    layer("ZeroPadding2D", ((1, 0), (0, 2)), inputs=IMAGE),
    layer("BatchNormalization", inputs=IMAGE),
    layer("BatchNormalization", renorm=True, title="renorm", inputs=SEQUENCE),
    layer("LayerNormalization", inputs=SEQUENCE),
    layer("RMSNormalization", inputs=SEQUENCE),
    layer("GroupNormalization", 3, inputs=SEQUENCE),
    layer("SpectralNormalization", inner("Dense", 4), inputs=SEQUENCE),
    layer("UnitNormalization", inputs=SEQUENCE),
    layer("Normalization", inputs=SEQUENCE,
          row={"after": lambda k, model: model.layers[-1].adapt(SEQUENCE)}),
    layer("Normalization", mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 4.0], title="given",
          inputs=SEQUENCE),
    layer("Discretization", [0.0, 0.5], output_mode="one_hot", inputs=SEQUENCE),
    layer("CategoryEncoding", 5, output_mode="count", inputs=TOKENS),
    layer("Rescaling", 0.5, offset=[1.0, 2.0, 3.0], inputs=SEQUENCE),
    layer("Resizing", 3, 4, inputs=IMAGE),
    layer("MelSpectrogram", 32, 16, num_mel_bins=4, min_freq=2000.0, inputs=normal(2, 100)),
    layer("STFTSpectrogram", "magnitude", 16, inputs=normal(2, 60, 2)),
    layer("SimpleRNN", 4, return_sequences=True, inputs=SEQUENCE),
    layer("GRU", 4, inputs=SEQUENCE),
    layer("GRU", 4, reset_after=False, go_backwards=True, title="reset before", inputs=SEQUENCE),
    layer("LSTM", 4, inputs=SEQUENCE),
    layer("RNN", inner("GRUCell", 4), title="of a cell", inputs=SEQUENCE),
    layer("RNN", [inner("LSTMCell", 3), inner("SimpleRNNCell", 4)], title="of stacked cells",
          inputs=SEQUENCE),
    layer("Bidirectional", inner("LSTM", 2, return_sequences=True), inputs=SEQUENCE),
    layer("Bidirectional", inner("GRU", 2), backward_layer=inner("LSTM", 2, go_backwards=True),
          merge_mode="sum", title="of two kinds", inputs=SEQUENCE),
    layer("TimeDistributed", inner("Dense", 2), inputs=SEQUENCE),
    layer("ConvLSTM1D", 2, 3, inputs=FILMS[..., 0, :]),
    layer("ConvLSTM2D", 2, 2, inputs=FILMS),
    layer("ConvLSTM3D", 2, 2, inputs=normal(1, 2, 3, 3, 3, 2)),
    layer("Attention", use_scale=True, score_mode="concat", inputs=PAIR),
    layer("AdditiveAttention", inputs=PAIR),
    layer("Dot", 2, inputs=PAIR),
    layer("Concatenate", axis=1, inputs=PAIR),
    layer("Hashing", 7, inputs=TOKENS),
    layer("IntegerLookup", vocabulary=[3, 1, 4], inputs=TOKENS.astype("int64")),
]  # fmt: skip


def attention(name, *args, **kwargs) -> Row:
    """Return the row of an attention layer that takes query and value."""

    def make(k):
        query, value = k.Input((6, 3)), k.Input((6, 3))
        made = getattr(k.layers, name)(*args, **kwargs)
        return k.Model([query, value], made(query, value, use_causal_mask=True))

    return Row("layers", name, make, PAIR)


ATTENTION = [
    attention("MultiHeadAttention", 2, 3, output_shape=5),
    attention("GroupQueryAttention", 4, 4, 2),
]


def stateful(k):
    """Return a model that has states from an earlier call."""
    x = k.Input(batch_shape=(2, 6, 3))
    y = k.layers.LSTM(2, stateful=True, return_sequences=True)(x)
    return k.Model(x, k.layers.Bidirectional(k.layers.GRU(2, stateful=True))(y))


def recurrent_states(k):
    """Return a model that passes the states of one layer on to another."""
    x = k.Input((6, 3))
    y, h, c = k.layers.LSTM(4, return_state=True, return_sequences=True)(x)
    return k.Model(x, [k.layers.LSTM(4)(y, initial_state=[h, c]), h])


STATES = [
    Row("layers", "stateful recurrence", stateful, SEQUENCE,
        after=lambda k, model: model(SEQUENCE)),
    Row("layers", "states passed on", recurrent_states, SEQUENCE),
]  # fmt: skip

RANDOM = [
    layer("Dropout", 0.5, seed=3, inputs=SEQUENCE, group="random", **TRAINING),
    layer("SpatialDropout1D", 0.5, seed=3, inputs=SEQUENCE, group="random", **TRAINING),
    layer("GaussianNoise", 0.5, seed=3, inputs=SEQUENCE, group="random", **TRAINING),
    layer("GaussianDropout", 0.5, seed=3, inputs=SEQUENCE, group="random", **TRAINING),
    layer("AlphaDropout", 0.5, seed=3, inputs=SEQUENCE, group="random", **TRAINING),
    layer("RandomFlip", seed=3, inputs=IMAGE, group="random", **TRAINING),
    layer("RandomRotation", 0.3, seed=3, inputs=IMAGE, group="random", **TRAINING),
    layer("RandomZoom", 0.3, seed=3, inputs=IMAGE, group="random", **TRAINING),
    layer("RandomContrast", 0.3, seed=3, inputs=IMAGE, group="random"),
    layer("RandomCrop", 4, 4, seed=3, inputs=IMAGE, group="random", **TRAINING),
    layer("LSTM", 4, dropout=0.3, recurrent_dropout=0.2, seed=1, title="with dropout",
          inputs=SEQUENCE, group="random", **TRAINING),
]  # fmt: skip


# Architectures.


def mlp(k):
    """Return a small Sequential model."""
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, "tanh"), k.layers.Dense(2)])


def unknown_input(k):
    """Return a Sequential model without an input layer, built by a call."""
    model = k.Sequential([k.layers.Dense(3, "relu"), k.layers.Dense(2)])
    model(FLAT)
    return model


def with_ops(k):
    """Return a functional model with ops, operators and indexing as nodes."""
    x = k.Input((4,))
    y = k.layers.Dense(6)(x)
    y = k.ops.reshape(y, (-1, 2, 3)) * 2.0 + k.ops.expand_dims(x[:, :3], 1)
    y = k.ops.concatenate([k.ops.relu(y), -y, abs(y) ** 2.0], axis=-1)
    y = k.ops.where(y > 0.1, y, k.ops.zeros_like(y))
    y = k.ops.einsum("bij,bkj->bik", y, y) / (1.0 + k.ops.mean(y, axis=[1, 2], keepdims=True))
    return k.Model(x, k.ops.softmax(k.ops.transpose(y, (0, 2, 1))) @ y)


def shared_layers(k):
    """Return a model that calls a layer, and an inner model, twice."""
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    dense = k.layers.Dense(4, name="shared")
    block = k.Sequential([k.Input((4,)), k.layers.Dense(4), k.layers.BatchNormalization()])
    return k.Model([a, b], k.layers.Add()([block(dense(a)), block(dense(b)), dense(dense(a))]))


def nested(k):
    """Return a functional model in a Sequential model in a functional model."""
    x = k.Input((4,))
    inside = k.Model(x, [k.layers.Dense(3)(x), k.layers.Dense(2)(x)], name="inside")
    first = k.Input((4,))
    middle = k.Model(first, k.layers.Concatenate()(inside(first)), name="middle")
    stack = k.Sequential([k.Input((4,)), middle, k.layers.Dense(4)], name="stack")
    outer = k.Input((4,))
    return k.Model(outer, k.layers.Dense(2, name="head")(stack(outer)))


def many(k):
    """Return a model with a dict of inputs and a dict of outputs."""
    x = {"left": k.Input((4,), name="left"), "right": k.Input((6, 3), name="right")}
    y = k.layers.Dense(3)(x["left"])
    z = k.layers.GlobalAveragePooling1D()(x["right"])
    return k.Model(x, {"sum": k.layers.Add()([y, z]), "left": y})


def arguments(k):
    """Return a model whose layers are called with tensors as named arguments, and options."""
    x, mask = k.Input((6, 3)), k.Input((6,), dtype="bool")
    y = k.layers.LSTM(3, return_sequences=True)(x, mask=mask)
    y = k.layers.MultiHeadAttention(1, 2)(y, value=x, key=x, use_causal_mask=True)
    y = k.layers.BatchNormalization()(y, training=False)
    return k.Model([x, mask], k.layers.GlobalAveragePooling1D()(y, mask=mask))


def residual(k, rate=0.3):
    """Return a small convolutional network with a skip, and a dropout at `rate`."""
    x = k.Input((6, 6, 3))
    y = k.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    y = k.layers.Activation("swish")(k.layers.BatchNormalization()(y))
    y = k.layers.Add()([y, k.layers.Conv2D(4, 1)(x)])
    y = k.layers.GlobalMaxPooling2D()(k.layers.MaxPooling2D()(y))
    return k.Model(x, k.layers.Dense(2, kernel_regularizer="l2")(k.layers.Dropout(rate)(y)))


def transformer(k):
    """Return a block of a transformer over tokens."""
    tokens = k.Input((6,), dtype="int32")
    x = k.layers.Embedding(5, 8, mask_zero=True)(tokens)
    x = k.layers.Add()([x, k.layers.MultiHeadAttention(2, 4)(x, x)])
    x = k.layers.LayerNormalization()(x)
    y = k.layers.Dense(8)(k.layers.Dense(16, "gelu")(x))
    return k.Model(tokens, k.layers.Dense(3)(x + y))


def frozen(k):
    """Return a model some of whose layers are frozen."""
    model = residual(k)
    model.layers[1].trainable = False
    model.layers[2].trainable = False
    return model


def ops_row(family) -> Row:
    """Return the row of a family of ops."""

    def make(k):
        x = k.Input((6, 3))
        return k.Model(x, {key: function(k.ops, x) for key, function in OPS[family].items()})

    return Row("ops", family, make, SEQUENCE)


def activations_as_nodes(k):
    """Return a model in which functions of `activations` are called on symbolic tensors."""
    x = k.Input((6, 3))
    names = "relu gelu swish exponential elu hard_sigmoid".split()
    return k.Model(x, {name: getattr(k.activations, name)(x) for name in names})


OPS_ROWS = [*map(ops_row, OPS), Row("ops", "activations", activations_as_nodes, SEQUENCE)]

MODELS = [
    Row("models", "Sequential", mlp, FLAT),
    Row("models", "Sequential built by a call", unknown_input, FLAT),
    Row("models", "functional with ops", with_ops, FLAT),
    Row("models", "shared layers", shared_layers, [FLAT, FLAT + 1]),
    Row("models", "nested models", nested, FLAT),
    Row("models", "dicts in and out", many, {"left": FLAT, "right": SEQUENCE}),
    Row("models", "tensors as arguments", arguments, [SEQUENCE, TOKENS > 1]),
    Row("models", "convolutions with a skip", residual, normal(2, 6, 6, 3)),
    Row("models", "transformer block", transformer, TOKENS),
    Row("models", "frozen layers", frozen, normal(2, 6, 6, 3)),
]


# Classes of the user's own, one for each package, registered under the same name.


@functools.cache
def classes(k) -> dict[str, type]:
    """Return a layer, a block of layers, a model and a functional model, registered in `k`."""
    registered = k.saving.register_keras_serializable("roundtrip")

    @registered
    class Scale(k.layers.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape):
            self.shift = self.add_weight(shape=input_shape[-1:], name="shift")
            self.built = True

        def call(self, inputs):
            return inputs * self.factor + self.shift

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    @registered
    class Block(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.stages = [k.layers.Dense(units, "relu"), k.layers.Dense(units)]
            self.named = {"norm": k.layers.LayerNormalization(), "scale": Scale(2.0)}
            self._skip = k.layers.Dense(units)
            self.drop = k.layers.Dropout(0.1, seed=1)

        def build(self, input_shape):
            self.stages[0].build(input_shape)
            for part in (self.stages[1], *self.named.values()):
                part.build((*input_shape[:-1], self.units))
            self._skip.build(input_shape)
            self.built = True

        def call(self, inputs, training=None):
            x = self.stages[1](self.stages[0](inputs))
            x = self.named["scale"](self.named["norm"](x))
            return self.drop(x + self._skip(inputs), training=training)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    @registered
    class Net(k.Model):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.blocks = [Block(units), Block(units)]
            self.head = k.layers.Dense(2)
            self.inner = k.Sequential([k.layers.Dense(units), k.layers.ReLU()])

        def call(self, inputs):
            x = self.inner(inputs)
            for block in self.blocks:
                x = block(x)
            return self.head(x)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    @registered
    class Named(k.Model):
        def __init__(self, units=3, **kwargs):
            x = k.Input((4,))
            super().__init__(x, k.layers.Dense(units)(x), **kwargs)
            self.units = units

        def get_config(self):
            return {"units": self.units, "name": self.name}

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(**config)

    @registered
    def twist(x):
        return k.ops.sin(x) * x

    def odd_loss(y_true, y_pred):
        return k.ops.mean(abs(y_true - y_pred) ** 3.0, axis=-1)

    return {"Scale": Scale, "Block": Block, "Net": Net, "Named": Named, "twist": twist,
            "odd_loss": registered(odd_loss)}  # fmt: skip


def subclassed(k):
    """Return a subclassed model, built by a call."""
    model = classes(k)["Net"](3)
    model(FLAT)
    return model


def custom_layers(k):
    """Return a functional model with layers and functions of the user's own."""
    own = classes(k)
    x = k.Input((4,))
    y = own["Block"](3)(own["Scale"](0.5)(x))
    y = k.layers.Dense(2, activation=own["twist"])(y)
    return k.Model(x, k.layers.Lambda(own["twist"], output_shape=(2,))(y))


CUSTOM = [
    Row("custom", "subclassed model", subclassed, FLAT),
    Row("custom", "subclass of a functional model", lambda k: classes(k)["Named"](), FLAT),
    Row("custom", "registered layers and functions", custom_layers, FLAT),
]


# Precision, quantization and LoRA.


def with_policy(policy):
    """Return a function that makes the residual network under a dtype policy."""

    def make(k):
        before = k.config.dtype_policy()
        k.config.set_dtype_policy(policy)
        try:
            return residual(k)
        finally:
            k.config.set_dtype_policy(before)

    return make


def large(k):
    """Return a model of the layers that can be quantized."""
    x = k.Input((4,), dtype="int32")
    y = k.layers.Embedding(7, 8)(x)
    y = k.layers.EinsumDense("abc,cd->abd", (None, 8), bias_axes="d")(y)
    return k.Model(x, k.layers.Dense(3)(k.layers.Dense(8, "relu")(y)))


def quantized(mode, tolerance=1e-5) -> Row:
    """Return the row of a model that is quantized after it has its weights."""

    def after(k, model):
        model.quantize(mode)

    return Row("precision", f"quantized {mode}", large, integers(2, 4), after=after,
               tolerance=tolerance)  # fmt: skip


def lora(rank, mode=None):
    """Return a function that adds LoRA to all layers that take it, and may quantize them."""

    def after(k, model):
        for part in model.layers:
            if hasattr(part, "enable_lora"):
                part.enable_lora(rank)
        fill(model)
        if mode is not None:
            model.quantize(mode)

    return after


PRECISION = [
    *(Row("precision", policy, with_policy(policy), normal(2, 6, 6, 3))
      for policy in ("mixed_bfloat16", "mixed_float16", "float16", "float64")),
    # Sums of bfloat16 differ by its last bit between the packages.
    Row("precision", "bfloat16", with_policy("bfloat16"), normal(2, 6, 6, 3), tolerance=4e-3),
    *(quantized(mode) for mode in ("int8", "int4")),
    # Keras adds what is left of a bias in bfloat16.
    quantized("float8", tolerance=1e-4),
    Row("precision", "LoRA", large, integers(2, 4), after=lora(2)),
    Row("precision", "LoRA, int8", large, integers(2, 4), after=lora(2, "int8")),
    Row("precision", "LoRA, int4", large, integers(2, 4), after=lora(2, "int4")),
]  # fmt: skip


# Training: what is compared are the losses and metrics of further steps.

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

ROWS = [*LAYERS, *ATTENTION, *STATES, *RANDOM, *OPS_ROWS, *MODELS, *CUSTOM, *PRECISION, *TRAINED]
