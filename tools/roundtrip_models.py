"""Rows of architectures, ops as nodes, and classes of the user's own: see `tools/roundtrip.py`."""

import functools

from tools.roundtrip_ops import OPS
from tools.roundtrip_row import FLAT, SEQUENCE, TOKENS, Row, normal, nudge


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


# Applications, small ones unless all are asked for.


def application(name) -> Row:
    """Return the row of an architecture with weights of our own."""

    def make(k):
        options = {"input_shape": SMALLEST.get(name, (32, 32, 3)), "include_top": False}
        return getattr(k.applications, name)(weights=None, pooling="avg", **options)

    shape = SMALLEST.get(name, (32, 32, 3))
    return Row("applications", name, make, normal(1, *shape), tolerance=1e-4, fill=nudge)


SMALLEST = {"InceptionV3": (75, 75, 3), "InceptionResNetV2": (75, 75, 3), "Xception": (71, 71, 3)}
APPLICATIONS = ["MobileNetV2", "EfficientNetB0", "ResNet50"]
