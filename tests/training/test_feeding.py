"""Feeds and streams: what a pass holds, and in which order."""

import itertools

import jax
import numpy as np
import pandas
import pytest

import kerata
from kerata.engine import placement
from kerata.training import feeding
from kerata.training.batches import ClassWeights, kept_array
from kerata.training.feeding import Stream, make_feed, permutation


def pass_of(feed, number=0):
    return list(feed.batches(number))


X = np.arange(10.0)[:, None]
Y = np.arange(10)


def test_batches_of_arrays():
    feed = make_feed(X, Y, batch_size=4)
    assert feed.num_batches == 3
    batches = pass_of(feed)
    assert [b[0].shape for b in batches] == [(4, 1), (4, 1), (2, 1)]
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), Y)


def test_structures_keep_their_form():
    feed = make_feed({"a": X, "b": [X, X]}, (Y, Y), X[:, 0], batch_size=10)
    ((x, y, weight),) = pass_of(feed)
    assert set(x) == {"a", "b"} and isinstance(x["b"], list) and isinstance(y, tuple)
    assert weight.shape == (10,)
    assert isinstance(pass_of(make_feed(X))[0], np.ndarray)
    assert isinstance(pass_of(make_feed([X, X]))[0], tuple)


@pytest.mark.parametrize(
    "given, dtype",
    [
        ("float64", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("uint8", "uint8"),
        ("int64", "int64"),
        ("bool", "bool"),
    ],
)
def test_floats_become_floatx(given, dtype):
    assert pass_of(make_feed(X.astype(given)))[0].dtype == dtype


def test_kinds_of_arrays():
    import jax.numpy as jnp
    import scipy.sparse

    class Tensor:  # as torch's behave
        def __init__(self, array):
            self.array = array
            self.shape, self.dtype = array.shape, array.dtype

        def detach(self):
            return self

        def cpu(self):
            return self

        def numpy(self):
            return self.array

    frame = pandas.DataFrame({"a": Y, "b": Y + 0.5})
    for x, shape in [
        (frame, (10, 2)),
        (frame["a"], (10, 1)),
        (jnp.asarray(X), (10, 1)),
        (scipy.sparse.csr_matrix(X), (10, 1)),
        (Tensor(X), (10, 1)),
    ]:
        for shuffle in (False, True):
            (batch,) = pass_of(make_feed(x, shuffle=shuffle))
            assert batch.shape == shape
            assert sorted(np.asarray(batch)[:, 0].tolist()) == Y.tolist()


def test_order_is_a_function_of_seed_and_pass():
    feed = make_feed(X, Y, batch_size=4, shuffle=True, seed=(3, 1))
    again = make_feed(X, Y, batch_size=3, shuffle=True, seed=(3, 1))
    orders = [np.concatenate([y for _, y in pass_of(feed, n)]) for n in (0, 1, 0)]
    np.testing.assert_array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], np.concatenate([y for _, y in pass_of(again)]))
    np.testing.assert_array_equal(orders[0], permutation((3, 1), 0, 10))
    other = make_feed(X, Y, shuffle=True, seed=(4, 1))
    assert not np.array_equal(orders[0], pass_of(other)[0][1])
    for x, y in pass_of(feed):
        np.testing.assert_array_equal(x[:, 0], y)


def test_shuffling_whole_batches():
    feed = make_feed(Y, batch_size=3, shuffle="batch", seed=(0,))
    found = [b.tolist() for b in pass_of(feed, 1)]
    assert sorted(found) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert found != sorted(found)


class Numbers(kerata.utils.PyDataset):
    def __init__(self, length, **kwargs):
        super().__init__(**kwargs)
        self.length = length
        self.calls = []

    @property
    def num_batches(self):
        return self.length

    def __getitem__(self, index):
        return np.full((2, 1), index), np.full((2,), index)

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


@pytest.mark.parametrize("workers", [1, 3])
def test_py_dataset(workers):
    dataset = Numbers(5, workers=workers, max_queue_size=2)
    feed = make_feed(dataset, shuffle=True, seed=(1,))
    order = [int(y[0]) for _, y in pass_of(feed, 2)]
    np.testing.assert_array_equal(order, permutation((1,), 2, 5))
    rest = [int(y[0]) for _, y in feed.batches(2, start=3)]
    assert rest == order[3:]


def test_py_dataset_without_end():
    feed = make_feed(Numbers(None), shuffle=True)
    assert feed.infinite and feed.num_batches is None
    assert [int(y[0]) for _, y in itertools.islice(feed.batches(0), 3)] == [0, 1, 2]


def test_stream_calls_the_hooks_of_a_py_dataset():
    dataset = Numbers(2)
    stream = Stream(make_feed(dataset))
    assert len(list(stream.take())) == 2
    assert dataset.calls == ["begin", "end"]
    list(stream.take(1))
    assert dataset.calls == ["begin", "end", "begin"]


def numbers(stream, limit=None):
    return [int(np.asarray(batch).flat[0]) for batch in stream.take(limit)]


@pytest.mark.parametrize("source", [np.arange(3)[:, None], [(np.array([n]),) for n in range(3)]])
def test_stream_goes_on_where_it_stopped(source):
    if isinstance(source, list):
        iterable = source

        class Source:
            def __iter__(self):
                return iter(iterable)

        source = Source()
    stream = Stream(make_feed(source, batch_size=1))
    assert numbers(stream, 2) == [0, 1]
    assert stream.state() == {"pass": 0, "position": 2}
    assert numbers(stream, 2) == [2]  # a pass ends where the data does
    assert numbers(stream, 2) == [0, 1]
    assert numbers(stream, 1) == [2]
    assert numbers(stream) == [0, 1, 2]
    assert stream.state()["pass"] >= 2


def test_peeking_takes_nothing():
    stream = Stream(make_feed(iter([(np.array([n]),) for n in range(3)])))
    assert int(stream.peek()[0][0]) == 0
    assert stream.state() == {"pass": 0, "position": 0}
    assert numbers(stream) == [0, 1, 2]
    assert not stream.has_more() and numbers(stream) == []


def test_a_place_can_be_restored():
    feed = make_feed(np.arange(7)[:, None], batch_size=2, shuffle=True, seed=(5,))
    stream = Stream(feed)
    numbers(stream)
    first = numbers(stream, 2)
    place = stream.state()
    rest = numbers(stream)
    assert numbers(Stream(feed, place["pass"], place["position"])) == rest
    assert numbers(Stream(feed, place["pass"])) == first + rest


def test_loaders_that_make_lists():
    class Loader:
        def __iter__(self):
            yield [np.ones((2, 1)), np.zeros(2)]

    Loader.__module__ = "torch.utils.data.dataloader"
    ((x, y),) = pass_of(make_feed(Loader()))
    assert x.shape == (2, 1) and y.shape == (2,)


def test_grain_datasets():
    import grain

    source = grain.MapDataset.source([(np.full((1,), n), n) for n in range(6)])
    feed = make_feed(source.batch(4))
    assert feed.num_batches == 2
    found = [[int(n) for n in y] for _, y in pass_of(feed)]
    assert found == [[0, 1, 2, 3], [4, 5]]
    assert [[int(n) for n in y] for _, y in pass_of(feed)] == found


def test_a_source_may_fill_one_array_again_and_again():
    raw = np.zeros(64 + 16, "uint8")
    aligned = raw[(-raw.__array_interface__["data"][0]) % 64 :][:16].view("float32")
    assert kept_array(aligned) is not aligned
    unaligned = raw[((-raw.__array_interface__["data"][0]) % 64) + 4 :][:16].view("float32")
    assert kept_array(unaligned) is unaligned  # JAX copies it


@pytest.mark.parametrize(
    "y, weights, expected",
    [
        ([0, 1, 0, 2], {0: 1.0, 1: 2.0, 2: 3.0}, [1, 2, 1, 3]),
        ([[0], [3], [0], [2]], {0: 0.5, 2: 3}, [0.5, 1, 0.5, 3]),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], {0: 1.0, 2: 3.0}, [1, 1, 3]),
        ([0.0, 1.0], {1: 5}, [1, 5]),
        ([True, False], {1: 5}, [5, 1]),
        ([-1, 9], {0: 2, 1: 3}, [1, 1]),
        ([0, 1], {}, [1, 1]),
    ],
)
def test_class_weights(y, weights, expected):
    found = ClassWeights(weights)(np.array(y))
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, expected)


def test_class_weights_in_every_feed():
    (batch,) = pass_of(make_feed(X, Y, class_weight={9: 2.0}))
    np.testing.assert_array_equal(batch[2], [1] * 9 + [2])
    (batch,) = pass_of(make_feed(iter([(X, Y)]), class_weight={9: 2.0}))
    assert batch[2][-1] == 2
    first = next(make_feed(Numbers(2), class_weight={0: 3.0}).batches(0))
    np.testing.assert_array_equal(first[2], [3, 3])


@pytest.mark.parametrize("room, kept", [(10**6, True), (100, False)])
def test_arrays_stay_on_an_accelerator_that_has_room(monkeypatch, room, kept):
    expected = pass_of(make_feed(X, Y, batch_size=4, shuffle=True))
    monkeypatch.setattr(placement, "accelerator", lambda: jax.devices()[0])
    monkeypatch.setattr(placement, "memory_of", lambda device: room)
    feed = make_feed(X, Y, batch_size=4, shuffle=True)
    sent = pass_of(feed)  # what does not stay is sent ahead
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(sent))
    feed.keep_on_device()
    assert feed._sends is not kept
    for batches in (sent, pass_of(feed)):
        for batch, wanted in zip(batches, expected, strict=True):
            jax.tree.map(np.testing.assert_array_equal, batch, wanted)


def test_what_is_sent_ahead_is_read_only_so_far_ahead():
    read = []
    batches = feeding._sent_ahead(read.append(i) or np.ones(i) for i in range(1, 9))
    next(batches)
    assert read == [1, 2, 3]
    assert [len(b) for b in batches] == [2, 3, 4, 5, 6, 7, 8]
