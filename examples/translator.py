"""A small Transformer that translates, with the subwords of both languages inside."""

import numpy as np

import kerata
from kerata import layers, ops
from kerata.examples.subwords import END, PAD, START, Subwords

BATCH = 64  # sentences that are translated at once


class Embedding(layers.Layer):
    """The vector of each subword, and that of its place."""

    def __init__(self, size, length, width, **kwargs):
        super().__init__(**kwargs)
        self.meaning = layers.Embedding(size, width)
        self.place = layers.Embedding(length, width)

    def call(self, numbers):
        return self.meaning(numbers) + self.place(ops.arange(numbers.shape[1]))


class Block(layers.Layer):
    """A layer of a Transformer; of the decoder's kind when it is given a `memory` to look at."""

    def __init__(self, width, heads, dropout, **kwargs):
        super().__init__(**kwargs)
        self.itself = layers.MultiHeadAttention(heads, width // heads, dropout=dropout)
        self.other = layers.MultiHeadAttention(heads, width // heads, dropout=dropout)
        self.norms = [layers.LayerNormalization() for _ in range(3)]
        self.widen = layers.Dense(4 * width, activation="relu")
        self.narrow = layers.Dense(width)
        self.drop = layers.Dropout(dropout)

    def call(self, x, seen, memory=None, memory_seen=None):
        """Return the new `x` and how much it looked at the memory.

        Args:
            x: `(batch, time, width)`.
            seen: false at the padding of `x`, `(batch, time)`.
            memory: what the encoder made of the source, `(batch, source time, width)`.
            memory_seen: false at its padding.
        """
        decodes, scores = memory is not None, None
        y = self.norms[0](x)
        x += self.drop(self.itself(y, y, attention_mask=seen[:, None, :], use_causal_mask=decodes))
        if decodes:
            y, scores = self.other(
                self.norms[1](x),
                memory,
                attention_mask=memory_seen[:, None, :],
                return_attention_scores=True,
            )
            x += self.drop(y)
        return x + self.drop(self.narrow(self.widen(self.norms[2](x)))), scores


@kerata.saving.register_keras_serializable("kerata_examples")
class Translator(kerata.Model):
    """An encoder and a decoder (Vaswani et al., 2017), with both vocabularies.

    Args:
        source: list of subwords of the language to translate from.
        target: list of subwords of the language to translate to.
        length: most subwords of a sentence, start and end included.
        width: size of the vector of each.
        heads: parts that attention works in.
        depth: number of blocks of the encoder, and of the decoder.
        dropout: share of values that are dropped in training.
    """

    def __init__(self, source, target, length, width=96, heads=4, depth=2, dropout=0.05, **kwargs):
        super().__init__(**kwargs)
        self.read, self.written = Subwords(source), Subwords(target)
        self.length = length
        self.embeddings = [Embedding(len(words), length, width) for words in (source, target)]
        self.encoder = [Block(width, heads, dropout) for _ in range(depth)]
        self.decoder = [Block(width, heads, dropout) for _ in range(depth)]
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]
        self.score = layers.Dense(len(target))
        self.write = kerata.jit(self._write)

    def call(self, inputs):
        """Return the scores of each next subword, `(batch, length, target vocabulary)`."""
        return self.decode(inputs["target"], *self.encode(inputs["source"]))[0]

    def encode(self, source):
        x, seen = self.embeddings[0](source), source != PAD
        for block in self.encoder:
            x, _ = block(x, seen)
        return self.norms[0](x), seen

    def decode(self, target, memory, memory_seen):
        x = self.embeddings[1](target)
        for block in self.decoder:
            x, looks = block(x, target != PAD, memory, memory_seen)
        return self.score(self.norms[1](x)), looks

    def _write(self, source):
        """Return the likeliest subwords, one after the other, and where the decoder looked."""
        memory = self.encode(source)

        def step(place, target):
            scores, _ = self.decode(target, *memory)
            chosen = ops.argmax(ops.take(scores, place, axis=1), axis=-1)
            return ops.slice_update(target, (0, place + 1), chosen[:, None])

        # What stands behind the current place is not looked at: the mask is causal.
        target = ops.full((source.shape[0], self.length), START, dtype="int32")
        target = ops.fori_loop(0, self.length - 1, step, target)
        return target, self.decode(target, *memory)[1]

    def translate(self, sentences):
        """Return the translations of a list of strings."""
        rows = self.numbers(self.read, sentences)
        rows = np.pad(rows, ((0, -len(rows) % BATCH), (0, 0)))  # all batches of one size
        written = np.concatenate(
            [self.write(batch)[0] for batch in np.split(rows, len(rows) // BATCH)]
        )
        return [self.written.decode(until_end(row)) for row in written[: len(sentences)]]

    def numbers(self, subwords, sentences):
        """Return a row for each sentence: its start, its subwords, its end, and padding."""
        rows = np.full((len(sentences), self.length), PAD, "int32")
        for row, sentence in zip(rows, sentences):
            found = [START, *subwords.encode(sentence)[: self.length - 2], END]
            row[: len(found)] = found
        return rows

    def arrays(self, pairs):
        """Return inputs, targets and weights for `fit`."""
        sources, targets = zip(*pairs)
        target = self.numbers(self.written, targets)
        after = np.pad(target[:, 1:], ((0, 0), (0, 1)))
        inputs = {"source": self.numbers(self.read, sources), "target": target}
        return inputs, after, (after != PAD).astype("float32")


def until_end(row):
    """Return what stands between the start and the end."""
    row = list(row[1:])
    return row[: row.index(END)] if END in row else row
