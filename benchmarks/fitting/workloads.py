"""The peers, and the five workloads through the Keras API: one code for all that speak it."""

import dataclasses
from collections.abc import Callable

import numpy as np

# Library to import, and the packages whose versions say what was measured.
PEERS = {
    "kerata": ("kerata", None, ("kerata", "jax")),
    "kerata-by-hand": ("kerata", None, ("kerata", "jax")),
    "keras-jax": ("keras", "jax", ("keras", "jax")),
    "keras-tensorflow": ("keras", "tensorflow", ("keras", "tensorflow")),
    "keras-torch": ("keras", "torch", ("keras", "torch")),
    "torch": (None, None, ("torch",)),
    "torch-compile": (None, None, ("torch",)),  # on a GPU
}

VOCABULARY, TOKENS, WIDTH, HEADS, HIDDEN = 20_000, 128, 256, 4, 512


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is trained, on what, and how much of it makes an epoch."""

    summary: str
    batch: int
    steps: int
    inputs: Callable
    targets: Callable
    loss: str
    metrics: tuple[str, ...]
    model: Callable
    logits: bool = False  # whether the model's outputs are logits
    on_gpu: bool = False  # too large for a CPU; in bfloat16 with float32 variables

    def loss_in(self, keras):
        """Return the loss for `compile`."""
        if self.logits:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return self.loss

    def data(self, seed: int = 0):
        """Return the arrays of one epoch. Their content is noise: only their shapes matter."""
        generator = np.random.default_rng(seed)
        samples = self.batch * self.steps
        return self.inputs(generator, samples), self.targets(generator, samples)


def noise(*shape):
    """Return a function that draws float32 samples of this shape."""
    return lambda generator, n: generator.standard_normal((n, *shape), dtype="float32")


def whole_numbers(below, *shape):
    """Return a function that draws int32 samples of this shape."""
    return lambda generator, n: generator.integers(0, below, (n, *shape), dtype="int32")


def mlp(keras):
    """784-512-10."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(512, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def convnet(keras):
    """Three 3x3 convolutions with two poolings between them."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def xception(keras):
    """A small Xception (Chollet, 2017): separable convolutions with residual connections."""
    layers = keras.layers
    inputs = keras.Input((90, 90, 3))
    x = layers.Conv2D(32, 5, use_bias=False)(inputs)
    for filters in (32, 64, 128, 256):
        shortcut = x
        for _ in range(2):
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
            x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        shortcut = layers.Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(shortcut)
        x = layers.add([x, shortcut])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def lstm(keras):
    """One LSTM over a multivariate series, and a regression."""
    layers = keras.layers
    return keras.Sequential([keras.Input((120, 14)), layers.LSTM(16), layers.Dense(1)])


def transformer(keras):
    """One Transformer encoder block (Vaswani et al., 2017) over embedded tokens."""
    layers = keras.layers

    class TokensAndPositions(layers.Layer):
        """Sum of an embedding of the token and one of its place."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.tokens = layers.Embedding(VOCABULARY, WIDTH)
            self.places = layers.Embedding(TOKENS, WIDTH)

        def call(self, x):
            return self.tokens(x) + self.places(keras.ops.arange(TOKENS))

    inputs = keras.Input((TOKENS,), dtype="int32")
    x = TokensAndPositions()(inputs)
    attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=0.1)(x, x)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.add([x, attended]))
    hidden = layers.Dense(WIDTH)(layers.Dense(HIDDEN, activation="relu")(x))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.add([x, layers.Dropout(0.1)(hidden)]))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))


def resnet50(keras):
    """ResNet-50 (He et al., 2016)."""
    return keras.applications.ResNet50(weights=None)


GPT_VOCABULARY, GPT_TOKENS, GPT_WIDTH, GPT_HEADS, GPT_BLOCKS = 50_257, 1024, 768, 12, 12


def gpt(keras):
    """A decoder of the size of GPT-2's smallest (Radford et al., 2019), 124 million weights."""
    layers = keras.layers

    class TiedTokens(layers.Layer):
        """Embeds tokens and places; the same table gives the logits."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.tokens = layers.Embedding(GPT_VOCABULARY, GPT_WIDTH)
            self.places = layers.Embedding(GPT_TOKENS, GPT_WIDTH)

        def call(self, x, reverse=False):
            if reverse:
                return keras.ops.matmul(x, keras.ops.transpose(self.tokens.embeddings))
            return self.tokens(x) + self.places(keras.ops.arange(GPT_TOKENS))

    def block(x):
        normal = layers.LayerNormalization(epsilon=1e-5)(x)
        attention = layers.MultiHeadAttention(GPT_HEADS, GPT_WIDTH // GPT_HEADS)
        x = layers.add([x, attention(normal, normal, use_causal_mask=True)])
        normal = layers.LayerNormalization(epsilon=1e-5)(x)
        hidden = layers.Dense(4 * GPT_WIDTH, activation="gelu")(normal)
        return layers.add([x, layers.Dense(GPT_WIDTH)(hidden)])

    inputs = keras.Input((GPT_TOKENS,), dtype="int32")
    table = TiedTokens()
    x = table(inputs)
    for _ in range(GPT_BLOCKS):
        x = block(x)
    logits = table(layers.LayerNormalization(epsilon=1e-5)(x), reverse=True)
    return keras.Model(inputs, layers.Activation("linear", dtype="float32")(logits))


CLASSES = "sparse_categorical_crossentropy"

WORKLOADS = {
    "mlp": Workload(
        "784-512-10, batch 128",
        128, 150, noise(784), whole_numbers(10), CLASSES, ("accuracy",), mlp,
    ),
    "convnet": Workload(
        "28x28, 3x3 convolutions 32/64/128, batch 64",
        64, 50, noise(28, 28, 1), whole_numbers(10), CLASSES, ("accuracy",), convnet,
    ),
    "xception": Workload(
        "small Xception, separable convolutions, 90x90, batch 32",
        32, 5, noise(90, 90, 3), whole_numbers(2, 1), "binary_crossentropy", ("accuracy",),
        xception,
    ),
    "lstm": Workload(
        "LSTM of 16 units over 120 steps of 14 features, batch 128",
        128, 50, noise(120, 14), noise(1), "mean_squared_error", (), lstm,
    ),
    "transformer": Workload(
        "encoder block of width 256 over 128 tokens of 20,000, batch 32",
        32, 12, whole_numbers(VOCABULARY, TOKENS), whole_numbers(2), CLASSES, ("accuracy",),
        transformer,
    ),
    "resnet50": Workload(
        "ResNet-50, 224x224, batch 64, bfloat16",
        64, 8, noise(224, 224, 3), whole_numbers(1000), CLASSES, (), resnet50, False, True,
    ),
    "gpt": Workload(
        "GPT of 124 million weights, 1,024 tokens, batch 8, bfloat16",
        8, 8, whole_numbers(GPT_VOCABULARY, GPT_TOKENS),
        whole_numbers(GPT_VOCABULARY, GPT_TOKENS), CLASSES, (), gpt, True, True,
    ),
}  # fmt: skip
