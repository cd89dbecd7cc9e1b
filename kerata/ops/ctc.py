"""Connectionist temporal classification: labels for sequences without alignment.

Graves et al., "Connectionist Temporal Classification", 2006.
"""

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine.dtypes import as_float
from kerata.engine.errors import one_of, positive_int
from kerata.engine.op import op
from kerata.ops.arguments import array

# The logarithm of "impossible": finite, so that gradients stay numbers.
_NEVER = -1e30


@op
def ctc_loss(target, output, target_length, output_length, mask_index=0):
    """Return minus the log-likelihood of label sequences, summed over all alignments.

    Args:
        target: labels, integers of shape `(batch, labels)`.
        output: logits of shape `(batch, time, classes)`.
        target_length: how many labels count, of shape `(batch,)`.
        output_length: how many time steps count, of shape `(batch,)`.
        mask_index: the class that means "no label here" (blank).

    Returns:
        A tensor of shape `(batch,)`, float32 or wider.

    Example:
        >>> kerata.ops.ctc_loss([[1]], [[[0.0, 0.0], [0.0, 0.0]]], [1], [2])
        Array([0.2876821], dtype=float32)
    """
    target, output = array(target).astype("int32"), as_float(output)
    if target.ndim != 2 or output.ndim != 3 or target.shape[0] != output.shape[0]:
        raise ValueError(
            "`target` must have shape (batch, labels), `output` (batch, time, classes).\n"
            f"Received: shapes {target.shape}, {output.shape}"
        )
    target_length, output_length = array(target_length), array(output_length)
    for name, lengths in (("target_length", target_length), ("output_length", output_length)):
        if lengths.shape != target.shape[:1]:
            raise ValueError(
                f"`{name}` must have shape {target.shape[:1]}, by the batch.\n"
                f"Received: shape {lengths.shape}"
            )
    wide = output.astype(jnp.promote_types(output.dtype, "float32"))
    log_probabilities = jax.nn.log_softmax(wide)
    return _forward(target, log_probabilities, target_length, output_length, mask_index)


def _forward(target, log_probabilities, target_length, output_length, blank):
    """Sum over alignments from left to right, in the sequence of labels with blanks between."""
    batch, count = target.shape
    states = jnp.full((batch, 2 * count + 1), blank).at[:, 1::2].set(target)
    # A blank may be skipped between two different labels.
    skips = jnp.pad(states[:, 2:] != states[:, :-2], ((0, 0), (2, 0)))
    emitted = jnp.take_along_axis(log_probabilities, states[:, None, :], axis=2)

    def step(alpha, inputs):
        emission, goes_on = inputs
        one_back = jnp.pad(alpha, ((0, 0), (1, 0)), constant_values=_NEVER)[:, :-1]
        two_back = jnp.pad(alpha, ((0, 0), (2, 0)), constant_values=_NEVER)[:, :-2]
        arrivals = jnp.stack([alpha, one_back, jnp.where(skips, two_back, _NEVER)])
        new = jax.nn.logsumexp(arrivals, axis=0) + emission
        return jnp.where(goes_on[:, None], jnp.maximum(new, _NEVER), alpha), None

    first = jnp.where(jnp.arange(2 * count + 1) < 2, emitted[:, 0], _NEVER)
    runs = jnp.arange(1, emitted.shape[1])[:, None] < output_length
    alpha, _ = lax.scan(step, first, (jnp.moveaxis(emitted, 1, 0)[1:], runs))
    ends = 2 * target_length[:, None] - jnp.array([0, 1])
    last = jnp.take_along_axis(alpha, jnp.maximum(ends, 0), axis=1)
    return -jax.nn.logsumexp(jnp.where(ends >= 0, last, _NEVER), axis=1)


@op
def ctc_decode(
    inputs,
    sequence_lengths,
    strategy="greedy",
    beam_width=100,
    top_paths=1,
    merge_repeated=True,
    mask_index=0,
):
    """Return the most likely label sequences.

    Args:
        inputs: logits of shape `(batch, time, classes)`.
        sequence_lengths: how many time steps count, of shape `(batch,)`.
        strategy: "greedy" (the best class of each step) or "beam_search" (Graves, 2012).
        beam_width: how many beginnings beam search keeps.
        top_paths: how many sequences beam search returns.
        merge_repeated: whether a label that is repeated without a blank is one label ("greedy").
        mask_index: the class that means "no label here" (blank).

    Returns:
        `(labels, scores)`. Labels are int32 of shape `(paths, batch, time)`, filled up with -1.
        Scores have shape `(batch, paths)`: log-probabilities for beam search, and minus the sum
        of the logits taken for "greedy".

    Example:
        >>> logits = [[[0.0, 3.0], [0.0, 3.0], [5.0, 0.0], [0.0, 3.0]]]
        >>> kerata.ops.ctc_decode(logits, [4])[0]
        Array([[[ 1,  1, -1, -1]]], dtype=int32)
    """
    one_of("strategy", strategy, ("greedy", "beam_search"))
    x = as_float(inputs)
    x = x.astype(jnp.promote_types(x.dtype, "float32"))
    lengths = array(sequence_lengths).astype("int32")
    if x.ndim != 3 or lengths.shape != x.shape[:1]:
        raise ValueError(
            "`inputs` must have shape (batch, time, classes), `sequence_lengths` (batch,).\n"
            f"Received: shapes {x.shape}, {lengths.shape}"
        )
    if mask_index is None:
        mask_index = x.shape[-1] - 1
    if strategy == "greedy":
        return _greedy(x, lengths, merge_repeated, mask_index)
    positive_int("top_paths", top_paths)
    positive_int("beam_width", beam_width)
    return _beam_search(x, lengths, beam_width, top_paths, mask_index)


def _greedy(x, lengths, merge_repeated, blank):
    best = jnp.argmax(x, axis=-1).astype("int32")
    valid = jnp.arange(x.shape[1]) < lengths[:, None]
    scores = -jnp.sum(jnp.where(valid, jnp.max(x, axis=-1), 0), axis=1, keepdims=True)
    kept = valid & (best != blank)
    if merge_repeated:
        kept &= jnp.pad(best[:, 1:] != best[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    order = jnp.argsort(~kept, axis=1, stable=True)
    labels = jnp.take_along_axis(jnp.where(kept, best, -1), order, axis=1)
    return labels[None], scores


def _beam_search(x, lengths, width, top_paths, blank):
    """Search in parallel for each sequence of the batch.

    A beginning is a row of labels and two log-probabilities: of all alignments that end in a
    blank, and of those that end in its last label.
    """
    log_probabilities = jax.nn.log_softmax(x)
    time, classes = x.shape[1:]
    labels = jnp.array([c for c in range(classes) if c != blank], "int32")

    def search(log_probabilities, length):
        paths = jnp.full((width, time), -1, "int32")
        sizes = jnp.zeros(width, "int32")
        in_blank = jnp.full(width, _NEVER).at[0].set(0.0)
        in_label = jnp.full(width, _NEVER)

        def step(beams, inputs):
            emission, goes_on = inputs
            new = _extend(*beams, emission, labels, blank, width)
            return jax.tree.map(lambda a, b: jnp.where(goes_on, a, b), new, beams), None

        beams = (paths, sizes, in_blank, in_label)
        beams, _ = lax.scan(step, beams, (log_probabilities, jnp.arange(time) < length))
        paths, _, in_blank, in_label = beams
        scores, best = lax.top_k(jnp.logaddexp(in_blank, in_label), top_paths)
        return paths[best], scores

    paths, scores = jax.vmap(search)(log_probabilities, lengths)
    return jnp.moveaxis(paths, 1, 0), scores


def _extend(paths, sizes, in_blank, in_label, emission, labels, blank, width):
    """Return the `width` best beginnings one step later."""
    last = jnp.take_along_axis(paths, jnp.maximum(sizes - 1, 0)[:, None], axis=1)[:, 0]
    total = jnp.logaddexp(in_blank, in_label)
    # Unchanged: a blank, or the last label once more.
    stay_blank = total + emission[blank]
    stay_label = jnp.where(sizes > 0, in_label + emission[last], _NEVER)
    # Longer by one label; a repeated label needs a blank before it.
    before = jnp.where(labels == last[:, None], in_blank[:, None], total[:, None])
    longer = (before + emission[labels]).ravel()
    parent = jnp.repeat(jnp.arange(width), labels.size)
    added = jnp.tile(labels, width)
    grown = paths[parent].at[jnp.arange(parent.size), sizes[parent]].set(added)

    paths = jnp.concatenate([paths, grown])
    sizes = jnp.concatenate([sizes, sizes[parent] + 1])
    in_blank = jnp.concatenate([stay_blank, jnp.full(longer.size, _NEVER)])
    in_label = jnp.concatenate([stay_label, longer])
    # A grown beginning may equal an unchanged one: the unchanged one takes over its probability.
    twin = jnp.all(paths[width:, None] == paths[None, :width], axis=-1)
    twin &= in_label[width:, None] > _NEVER / 2
    joined = jnp.where(twin, longer[:, None], _NEVER)
    gained = jax.nn.logsumexp(joined, axis=0)
    in_label = in_label.at[:width].set(jnp.logaddexp(in_label[:width], gained))
    in_label = in_label.at[width:].set(jnp.where(twin.any(1), _NEVER, longer))
    _, best = lax.top_k(jnp.logaddexp(in_blank, in_label), width)
    return paths[best], sizes[best], in_blank[best], jnp.maximum(in_label[best], _NEVER)
