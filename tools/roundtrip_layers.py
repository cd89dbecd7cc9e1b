"""Rows of single layers: see `tools/roundtrip.py`."""

import numpy as np

from tools.roundtrip_row import (
    FILMS,
    IMAGE,
    PAIR,
    SEQUENCE,
    TOKENS,
    VOLUME,
    Row,
    graph,
    inner,
    integers,
    normal,
)  # fmt: skip


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
    """Return a model that keeps its states from call to call."""
    x = k.Input(batch_shape=(2, 6, 3))
    y = k.layers.LSTM(2, stateful=True, return_sequences=True)(x)
    return k.Model(x, k.layers.Bidirectional(k.layers.GRU(2, stateful=True))(y))


def recurrent_states(k):
    """Return a model that passes the states of one layer on to another."""
    x = k.Input((6, 3))
    y, h, c = k.layers.LSTM(4, return_state=True, return_sequences=True)(x)
    return k.Model(x, [k.layers.LSTM(4)(y, initial_state=[h, c]), h])


STATES = [
    # From its beginning: where it stands is in no file, neither of Keras's nor of kerata's.
    Row("layers", "stateful recurrence", stateful, SEQUENCE),
    Row("layers", "states passed on", recurrent_states, SEQUENCE),
]  # fmt: skip

# Layers that change images do so wherever they are not told that it is inference. Left out is
# RandomCrop: in inference Keras's does not crop, although its output is said to be smaller.
INFERENCE: dict = {"row": {"call": lambda model, inputs: model(inputs, training=False)}}
RANDOM = [
    layer("Dropout", 0.5, seed=3, inputs=SEQUENCE, group="random"),
    layer("SpatialDropout1D", 0.5, seed=3, inputs=SEQUENCE, group="random"),
    layer("GaussianNoise", 0.5, seed=3, inputs=SEQUENCE, group="random"),
    layer("GaussianDropout", 0.5, seed=3, inputs=SEQUENCE, group="random"),
    layer("AlphaDropout", 0.5, seed=3, inputs=SEQUENCE, group="random"),
    layer("RandomFlip", seed=3, inputs=IMAGE, group="random", **INFERENCE),
    layer("RandomRotation", 0.3, seed=3, inputs=IMAGE, group="random", **INFERENCE),
    layer("RandomZoom", 0.3, seed=3, inputs=IMAGE, group="random", **INFERENCE),
    layer("RandomContrast", 0.3, seed=3, inputs=IMAGE, group="random", **INFERENCE),
    layer("LSTM", 4, dropout=0.3, recurrent_dropout=0.2, seed=1, title="with dropout",
          inputs=SEQUENCE),
]  # fmt: skip


# Text. Keras has TensorFlow do this work.

TEXTS = np.array([["the cat", "a dog"], ["the the mat", "Cat, mat!"]])
LINES = np.array([["The cat sat."], ["on the mat"], ["a dog, a cat"]])


def text(name, *args, title="", inputs=TEXTS, adapt=None, **kwargs) -> Row:
    """Return the row of a layer that takes text or integers, adapted to `adapt` if given."""

    def after(k, model):
        model.layers[-1].adapt(adapt)

    # The layer alone: on JAX, models of Keras's take no text.
    row: dict = {"call": lambda model, inputs: model.layers[-1](inputs)}
    if adapt is not None:
        row["after"] = after
    return layer(name, *args, title=title, inputs=inputs, group="text", row=row, **kwargs)


WORDS = ["the cat", "a dog", "mat"]
TEXT = [
    text("StringLookup", vocabulary=WORDS),
    text("StringLookup", title="adapted", adapt=TEXTS, num_oov_indices=2, mask_token=""),
    text("StringLookup", title="multi_hot", vocabulary=WORDS, output_mode="multi_hot"),
    text("StringLookup", title="tf_idf", vocabulary=WORDS, output_mode="tf_idf",
         idf_weights=[0.5, 0.7, 0.9]),
    text("IntegerLookup", vocabulary=[3, 1, 4], inputs=TOKENS.astype("int64")),
    text("IntegerLookup", title="adapted", inputs=TOKENS.astype("int64"), adapt=TOKENS),
    text("Hashing", 7, inputs=TOKENS),
    text("Hashing", 7, title="of text", salt=[3, 5]),
    text("HashedCrossing", 7, output_mode="one_hot",
         inputs=[integers(4), integers(4, below=3)]),
    text("TextVectorization", inputs=LINES, adapt=LINES, output_sequence_length=5),
    text("TextVectorization", title="given", inputs=LINES, vocabulary=["cat", "the"],
         standardize="lower", ngrams=2, output_mode="count"),
    text("TextVectorization", title="tf_idf", inputs=LINES, adapt=LINES, output_mode="tf_idf",
         split="character"),
]  # fmt: skip
