"""A small GPT: a decoder that writes, with its subwords inside."""

import numpy as np

import kerata
from kerata import layers, ops
from kerata.examples.subwords import Subwords


class Block(layers.Layer):
    """A step of the decoder: attention to what came before, then a dense network."""

    def __init__(self, width, heads, dropout, **kwargs):
        super().__init__(**kwargs)
        self.split = layers.Reshape((-1, heads, 3 * width // heads))
        self.before, self.between = layers.LayerNormalization(), layers.LayerNormalization()
        self.project, self.join = layers.Dense(3 * width), layers.Dense(width)
        self.widen = layers.Dense(4 * width, activation="gelu")
        self.narrow = layers.Dense(width)
        self.drop = layers.Dropout(dropout)

    def call(self, x, cache=None, place=0):
        """Return the new `x`, `(batch, time, width)`, and the new cache.

        With a cache, the keys and values of earlier steps, `x` is one step, at `place`.
        """
        query, key, value = ops.split(self.split(self.project(self.before(x))), 3, axis=-1)
        if cache is None:
            seen = ops.dot_product_attention(query, key, value, is_causal=True)
        else:
            keys, values = cache
            keys = ops.slice_update(keys, (0, place, 0, 0), key)
            values = ops.slice_update(values, (0, place, 0, 0), value)
            past = ops.arange(keys.shape[1]) <= place
            seen = ops.dot_product_attention(query, keys, values, mask=past[None, None, None])
            cache = keys, values
        x = x + self.drop(self.join(ops.reshape(seen, ops.shape(x))))
        return x + self.drop(self.narrow(self.widen(self.between(x)))), cache


@kerata.saving.register_keras_serializable("kerata_examples")
class GPT(kerata.Model):
    """A decoder like GPT-2 (Radford et al., 2019), with its vocabulary.

    Args:
        vocabulary: list of subwords.
        length: most subwords that it sees at once.
        width: size of the vector of each.
        heads: parts that attention works in.
        depth: number of blocks.
        dropout: share of values that are dropped in training.
    """

    def __init__(self, vocabulary, length=256, width=128, heads=4, depth=2, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.subwords = Subwords(vocabulary)
        self.length, self.width, self.heads = length, width, heads
        # One table is for reading and for scores: of size 1 where it is read, of small scores.
        small = kerata.initializers.RandomNormal(stddev=width**-0.5)
        self.meaning = layers.ReversibleEmbedding(
            len(vocabulary), width, embeddings_initializer=small
        )
        self.order = layers.Embedding(length, width)
        self.blocks = [Block(width, heads, dropout) for _ in range(depth)]
        self.last = layers.LayerNormalization()
        self.drop = layers.Dropout(dropout)
        self.loop = kerata.jit(self._loop, static_argnames=("top_k",))
        self.step = kerata.jit(self._one_step, static_argnames=("top_k",))

    def call(self, tokens):
        """Return the scores of each next subword, `(batch, time, vocabulary)`."""
        x = self.drop(self.embedded(tokens, ops.arange(tokens.shape[1])))
        for block in self.blocks:
            x, _ = block(x)
        return self.meaning(self.last(x), reverse=True)

    def embedded(self, tokens, places):
        """Return the vectors of subwords and of their places, together."""
        return self.meaning(tokens) * self.width**0.5 + self.order(places)

    def write(self, text, tokens, temperature=0.8, top_k=50, top_p=0.95, seed=0, with_cache=True):
        """Return `text` and up to `tokens` more subwords, as far as there is room.

        Args:
            text: what to go on from; only its end, where it is long.
            tokens: how many subwords to write.
            temperature: see `draw`, also for `top_k` and `top_p`; 0 for the likeliest.
            seed: decides what is drawn.
            with_cache: whether to write all in one compiled loop, which keeps the keys and values
                of earlier steps; otherwise the whole model runs for each subword.
        """
        given = self.subwords.encode(text)[-(self.length - 1) :]
        if not given:
            raise ValueError("GPT needs a text to go on from.\nReceived: ''")
        chances = np.random.default_rng(seed).random((self.length, 1), "float32")
        if temperature == 0:
            temperature, top_k = 1.0, 1
        how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        known, end = len(given), min(len(given) + tokens, self.length)
        line = np.zeros((1, self.length), "int32")
        line[0, :known] = given
        if with_cache:
            line = self.loop(line, known, end, chances, **how)
        else:
            for place in range(known - 1, end - 1):
                line = self.step(line, place, chances, **how)
        return self.subwords.decode(np.asarray(line)[0, :end])

    def _one_step(self, line, place, chances, temperature, top_k, top_p):
        chosen = draw(self(line)[:, place], chances[place], temperature, top_k, top_p)
        return ops.slice_update(line, (0, place + 1), chosen[:, None])

    def _loop(self, line, known, end, chances, temperature, top_k, top_p):
        room = ops.zeros((1, self.length, self.heads, self.width // self.heads))

        def step(place, state):
            line, caches = state
            token = ops.slice(line, (0, place), (1, 1))
            x, news = self.embedded(token, place), []
            for block, cache in zip(self.blocks, caches):
                x, new = block(x, cache, place)
                news.append(new)
            scores = self.meaning(self.last(x), reverse=True)[:, 0]
            given = ops.slice(line, (0, place + 1), (1, 1))
            chosen = draw(scores, chances[place], temperature, top_k, top_p)[:, None]
            # The text that is given is read step by step too; nothing is drawn there.
            chosen = ops.where(place + 1 < known, given, chosen)
            return ops.slice_update(line, (0, place + 1), chosen), news

        caches = [(room, room) for _ in self.blocks]
        return ops.fori_loop(0, end - 1, step, (line, caches))[0]


def draw(scores, chance, temperature=1.0, top_k=50, top_p=1.0):
    """Return one choice for each row of scores, `(batch, choices)`, as integers `(batch,)`.

    Args:
        scores: logits.
        chance: uniform random numbers from 0 to 1, `(batch,)`: they decide.
        temperature: what the scores are divided by.
        top_k: how many of the best to choose from.
        top_p: choose from the best that reach this probability together (nucleus sampling,
            Holtzman et al., 2020).
    """
    if top_k == 1:
        return ops.argmax(scores, axis=-1)
    best, numbers = ops.top_k(scores, min(top_k, scores.shape[-1]))
    share = ops.softmax(best / temperature)
    better = ops.cumsum(share, axis=-1) - share  # the probability of all that are better
    reached = ops.cumsum(ops.where(better < top_p, share, 0.0), axis=-1)
    place = ops.sum(reached <= chance[:, None] * reached[:, -1:], axis=-1, keepdims=True)
    return ops.take_along_axis(numbers, place, axis=-1)[:, 0]
