"""`Dataset`: what each transformation makes, in which order, and from any place on."""

import itertools
import json
import multiprocessing
import os
import sys
import threading

import hypothesis
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import kerata
from kerata.data import INFINITE, UNKNOWN, Dataset, TensorSpec


def values(dataset):
    """Return the elements as plain Python values."""
    return [plain(element) for element in dataset]


def plain(element):
    if isinstance(element, dict):
        return {key: plain(value) for key, value in element.items()}
    if isinstance(element, tuple):
        return tuple(plain(part) for part in element)
    if isinstance(element, Dataset):
        return values(element)
    return element if isinstance(element, str) else np.asarray(element).tolist()


def sequential(count):
    """Return the integers below `count` as a data set that is read from the beginning on."""
    return Dataset.from_generator(lambda: iter(np.arange(count)))


SOURCES = {"any order": Dataset.range, "from the beginning": sequential}
both = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)

# name, transformation of the integers from 0 to 9, what it makes
ROWS = [
    ("map", lambda d: d.map(lambda x: 2 * x), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]),
    (
        "map in threads",
        lambda d: d.map(lambda x: -x, num_parallel_calls=3),
        [-n for n in range(10)],
    ),
    ("filter", lambda d: d.filter(lambda x: x % 3 == 0), [0, 3, 6, 9]),
    ("batch", lambda d: d.batch(4), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
    ("whole batches", lambda d: d.batch(4, drop_remainder=True), [[0, 1, 2, 3], [4, 5, 6, 7]]),
    ("unbatch", lambda d: d.batch(4).unbatch(), list(range(10))),
    ("rebatch", lambda d: d.batch(4).rebatch(5), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
    ("take", lambda d: d.take(3), [0, 1, 2]),
    ("take all", lambda d: d.take(-1).take(99), list(range(10))),
    ("skip", lambda d: d.skip(7), [7, 8, 9]),
    ("skip all", lambda d: d.skip(11), []),
    ("shard", lambda d: d.shard(4, 1), [1, 5, 9]),
    ("repeat", lambda d: d.skip(8).repeat(2), [8, 9, 8, 9]),
    ("repeat 0", lambda d: d.repeat(0), []),
    ("repeat and take", lambda d: d.take(2).repeat().take(5), [0, 1, 0, 1, 0]),
    ("enumerate", lambda d: d.skip(8).enumerate(5), [(5, 8), (6, 9)]),
    ("concatenate", lambda d: d.take(2).concatenate(d.skip(9)), [0, 1, 9]),
    ("zip", lambda d: Dataset.zip(d.take(2), Dataset.range(5, 9)), [(0, 5), (1, 6)]),
    ("zip list", lambda d: Dataset.zip([d.take(1), d.skip(9)]), [(0, 9)]),
    ("zip dict", lambda d: Dataset.zip({"a": d, "b": d.skip(9)}), [{"a": 0, "b": 9}]),
    ("window drop", lambda d: d.window(4, drop_remainder=True), [[0, 1, 2, 3], [4, 5, 6, 7]]),
    ("window shift", lambda d: d.take(4).window(3, shift=1), [[0, 1, 2], [1, 2, 3], [2, 3], [3]]),
    ("window stride", lambda d: d.window(3, 4, 2, True), [[0, 2, 4], [4, 6, 8]]),
    ("window gaps", lambda d: d.window(2, shift=4), [[0, 1], [4, 5], [8, 9]]),
    (
        "windows as batches",
        lambda d: d.window(3, 1, 1, True).flat_map(lambda w: w.batch(3)).take(2),
        [[0, 1, 2], [1, 2, 3]],
    ),
    ("flat_map", lambda d: d.take(4).flat_map(Dataset.range), [0, 0, 1, 0, 1, 2]),
    (
        "interleave",
        lambda d: d.skip(1).take(5).interleave(lambda x: Dataset.from_tensors(x).repeat(6), 2, 4),
        # as in TensorFlow's documentation
        [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5],
    ),
    ("prefetch", lambda d: d.prefetch(3), list(range(10))),
    ("cache", lambda d: d.cache(), list(range(10))),
    ("shuffle 1", lambda d: d.shuffle(1), list(range(10))),
]


@both
@pytest.mark.parametrize("name, transform, expected", ROWS, ids=[row[0] for row in ROWS])
def test_what_is_made(source, name, transform, expected):
    dataset = transform(source(10))
    assert values(dataset) == expected
    assert values(dataset) == expected  # in the second pass, too
    if dataset.cardinality() >= 0:
        assert len(dataset) == len(expected)


@both
@pytest.mark.parametrize("name, transform, expected", ROWS, ids=[row[0] for row in ROWS])
def test_every_place_can_be_restored(source, name, transform, expected):
    def make():
        dataset = transform(source(10))
        if name.startswith("window "):  # windows are data sets
            return dataset.flat_map(lambda window: window)
        return dataset

    dataset = make()
    whole = values(dataset)
    iterator = iter(dataset)
    for place in range(0, len(whole) + 1, 2):
        state = json.loads(json.dumps(iterator.get_state()))
        other = iter(make())  # as in another process
        other.set_state(state)
        assert values(other) == whole[place:], place
        list(itertools.islice(iterator, 2))


OPERATIONS = {
    "map": lambda d: d.map(lambda x: x + 1),
    "threads": lambda d: d.map(lambda x: 3 * x, num_parallel_calls=2),
    "filter": lambda d: d.filter(lambda x: x % 4 != 1),
    "shuffle": lambda d: d.shuffle(5, seed=3),
    "repeat": lambda d: d.repeat(2),
    "skip": lambda d: d.take(9).concatenate(d.take(2)),
    "batch": lambda d: d.batch(3).unbatch(),
    "prefetch": lambda d: d.prefetch(2),
    "interleave": lambda d: d.interleave(lambda x: Dataset.range(x % 3), 2),
    "cache": lambda d: d.cache(),
}


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    st.sampled_from(list(SOURCES.values())),
    st.lists(st.sampled_from(list(OPERATIONS)), max_size=4),
    st.integers(0, 30),
)
def test_chains_go_on_exactly(source, names, place):
    def make():
        dataset = source(11)
        for name in names:
            dataset = OPERATIONS[name](dataset)
        return dataset

    whole = values(make())
    iterator = iter(make())
    list(itertools.islice(iterator, place))
    other = iter(make())
    other.set_state(iterator.get_state())
    assert values(other) == values(iterator) == whole[place:]
    assert [plain(x) for x in make().iterate(0, start=place)] == whole[place:]


@both
def test_shuffle(source):
    dataset = source(20).shuffle(20, seed=7)
    first, second = values(dataset), values(dataset)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second != list(range(20))
    assert values(source(20).shuffle(20, seed=7)) == first
    assert values(source(20).shuffle(20, seed=8)) != first
    fixed = source(20).shuffle(20, seed=7, reshuffle_each_iteration=False)
    assert values(fixed) == values(fixed)
    rounds = values(source(20).shuffle(20, seed=7).repeat(2))
    assert sorted(rounds[:20]) == sorted(rounds[20:]) and rounds[:20] != rounds[20:]


def test_a_small_buffer_moves_elements_of_a_generator_within_it():
    found = values(sequential(12).shuffle(4, seed=0))
    assert [sorted(found[i : i + 4]) for i in (0, 4, 8)] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11],
    ]  # fmt: skip


def test_orders_follow_from_the_global_seed():
    def order():
        kerata.utils.set_random_seed(5)
        return values(Dataset.range(20).shuffle(20))

    assert order() == order()


@both
@pytest.mark.parametrize("threads", [1, 4])
def test_threads_change_nothing(source, threads):
    layer = kerata.layers.GaussianNoise(1.0, seed=3)

    def noisy(x):
        return layer(np.float32(x) * np.ones((1, 2), "float32"), training=True)

    def make(count):
        return source(8).shuffle(8, seed=1).map(noisy, num_parallel_calls=count).batch(3)

    expected, found = (list(make(count).as_numpy_iterator()) for count in (None, threads))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
    # Another pass draws other numbers.
    dataset = source(1).map(noisy)
    assert values(dataset) != values(dataset)


@pytest.mark.parametrize("threads", [None, 2])
def test_compiled_random_functions_draw_as_uncompiled_ones(threads):
    layer = kerata.layers.GaussianNoise(1.0, seed=3)
    state = layer.seed_generator.state.numpy()

    def noisy(x):
        once = layer(kerata.ops.ones((2,)), training=True)
        return once, layer(once, training=True), kerata.random.uniform(()), x

    def draw(function):
        kerata.utils.set_random_seed(4)
        dataset = Dataset.range(4).map(function, num_parallel_calls=threads)
        return [plain(element) for element in dataset.iterate(0)]

    compiled = kerata.jit(noisy)
    expected = draw(noisy)
    np.testing.assert_allclose(expected[1][1], draw(compiled)[1][1], rtol=1e-5)
    assert draw(compiled) == draw(compiled)
    assert expected[0][0] != expected[1][0] != expected[1][1]
    np.testing.assert_array_equal(layer.seed_generator.state.numpy(), state)


def test_random_functions_in_map_follow_from_the_global_seed():
    def draw(threads):
        kerata.utils.set_random_seed(2)
        return values(
            Dataset.range(3).map(lambda x: kerata.random.uniform((2,)), num_parallel_calls=threads)
        )

    assert draw(None) == draw(2)
    assert draw(None)[0] != draw(None)[1]


@both
@pytest.mark.parametrize("threads", [None, 3])
def test_an_exception_comes_with_its_traceback_and_the_element(source, threads):
    def fails(x):
        if x == 5:
            raise KeyError("lost")
        return x

    dataset = source(9).map(fails, num_parallel_calls=threads)
    with pytest.raises(KeyError, match="lost") as caught:
        list(dataset)
    assert caught.traceback[-1].name == "fails"
    assert "fails in Dataset.map() for element 5" in caught.value.__notes__[0]


@both
@pytest.mark.parametrize("threads", [None, 2])
def test_a_thread_that_dies_leaves_nobody_waiting(source, threads):
    def dies(x):
        if x == 3:
            raise SystemExit("the end")
        return x

    with pytest.raises(SystemExit, match="the end"):
        list(source(9).map(dies, num_parallel_calls=threads).prefetch(2))


def test_no_threads_are_left():
    before = threading.active_count()
    for source in SOURCES.values():
        dataset = source(50).map(lambda x: x, num_parallel_calls=2).prefetch(2)
        next(iter(dataset))
        list(dataset)
    pause = threading.Event()
    for _ in range(50):  # the last ones are about to end
        if threading.active_count() <= before:
            break
        pause.wait(0.1)
    assert threading.active_count() <= before


def test_structures_and_kinds_of_elements():
    data = {"a": [1.0, 2.0], "b": (np.arange(4).reshape(2, 2), ["x", "yy"])}
    first = next(iter(Dataset.from_tensor_slices(data)))
    assert plain(first) == {"a": 1.0, "b": ([0, 1], "x")}
    assert first["a"].dtype == "float32" and float(first["a"]) == 1.0
    assert first["b"][1].numpy() == "x" and first["b"][1].shape == ()
    assert type(first["b"][0].numpy()) is np.ndarray and int(first["b"][0][1]) == 1
    seen = []
    list(Dataset.from_tensor_slices(data).map(lambda d: seen.append(type(d["b"][0])) or d).take(1))
    assert seen == [np.ndarray]
    batch = next(iter(Dataset.from_tensor_slices(["x", "yy"]).batch(2)))
    assert batch.tolist() == ["x", "yy"] and batch.shape == (2,)
    assert batch.dtype.name == "string" and batch.dtype == object and str(batch.dtype) == "string"
    assert kerata.backend.standardize_dtype(batch.dtype) == "string"
    assert np.unique(batch).tolist() == ["x", "yy"] and np.asarray(batch).dtype == object
    assert values(Dataset.range(1).map(lambda x: [1, 2])) == [[1, 2]]
    assert values(Dataset.range(1).map(lambda x: (x, {"k": 3}))) == [(0, {"k": 3})]
    for element in Dataset.range(2).batch(2).as_numpy_iterator():
        assert type(element) is np.ndarray


def test_elements_work_with_ops_and_layers():
    dense = kerata.layers.Dense(2)
    dataset = Dataset.from_tensor_slices(np.ones((4, 3), "float32")).batch(2)
    found = list(dataset.map(lambda x: dense(kerata.ops.relu(x))))
    assert [x.shape for x in found] == [(2, 2), (2, 2)]
    batch = next(iter(dataset))
    np.testing.assert_allclose(dense(batch), found[0], rtol=1e-6)
    np.testing.assert_array_equal(kerata.ops.sum(batch, axis=0), [2, 2, 2])


def test_element_spec():
    dataset = Dataset.from_tensor_slices((np.ones((5, 3), "float32"), ["a"] * 5))
    assert dataset.element_spec == (TensorSpec((3,), "float32"), TensorSpec((), "string"))
    assert dataset.batch(2).element_spec == (
        TensorSpec((None, 3), "float32"), TensorSpec((None,), "string"),
    )  # fmt: skip


def test_cardinality():
    assert Dataset.range(4).cardinality() == len(Dataset.range(4)) == 4
    assert Dataset.range(4).repeat().cardinality() == INFINITE
    assert Dataset.range(4).repeat().take(3).cardinality() == 3
    assert sequential(4).cardinality() == UNKNOWN
    assert Dataset.zip(Dataset.range(3), Dataset.range(4).repeat()).cardinality() == 3
    assert Dataset.range(3).concatenate(sequential(2)).cardinality() == UNKNOWN
    for dataset, why in [(Dataset.range(4).repeat(), "no end"), (sequential(4), "not known")]:
        with pytest.raises(TypeError, match=why):
            len(dataset)
    assert Dataset.range(0) and "length=0" in repr(Dataset.range(0))


def test_batches_of_text_are_shown():
    batch = next(iter(Dataset.from_tensor_slices({"text": ["a", "b"]}).batch(2)))
    assert repr(batch) == "{'text': Strings(['a', 'b'], dtype=string)}"


def test_padded_batch():
    rows = Dataset.range(1, 4).map(lambda n: (np.arange(n), "a"))
    found = plain(next(iter(rows.padded_batch(3))))
    assert found == ([[0, 0, 0], [0, 1, 0], [0, 1, 2]], ["a", "a", "a"])
    found = next(iter(rows.padded_batch(2, padded_shapes=([4], None), padding_values=(-1, ""))))
    assert found[0].tolist() == [[0, -1, -1, -1], [0, 1, -1, -1]]
    with pytest.raises(ValueError, match="room for every element"):
        next(iter(rows.padded_batch(3, padded_shapes=([2], None))))


def test_generators():
    signature = (TensorSpec((None, 2), "float32"), TensorSpec((), "int32"))

    def make(count):
        for n in range(count):
            yield [[n, n]], n

    dataset = Dataset.from_generator(make, signature, args=(3,))
    assert plain(next(iter(dataset))) == ([[0.0, 0.0]], 0)
    assert next(iter(dataset))[0].dtype == "float32"
    wrong = Dataset.from_generator(make, (TensorSpec((None, 3)), TensorSpec(())), args=(1,))
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*\(None, 3\)"):
        list(wrong)
    with pytest.raises(TypeError, match="returns an iterator"):
        Dataset.from_generator(make(3))


def test_caches_keep_what_was_made(tmp_path):
    calls = []

    def slow(x):
        calls.append(int(x))
        return x, str(int(x)), {"twice": np.array([x, x])}

    expected = [(n, str(n), {"twice": [n, n]}) for n in range(4)]
    for source in SOURCES.values():
        for name in ("", tmp_path / f"cache{len(calls)}"):
            calls.clear()
            dataset = source(4).map(slow).cache(name)
            next(iter(dataset))  # part of a pass
            assert values(dataset) == values(dataset) == expected
            assert len(calls) <= 5
    # Another run finds the file.
    calls.clear()
    again = Dataset.range(4).map(slow).cache(tmp_path / "cache0")
    found = {path.name for path in tmp_path.iterdir()}
    assert all(name.endswith(".npz") for name in found)
    assert values(again) == expected
    order = Dataset.range(9).cache().shuffle(9, seed=1)
    assert sorted(values(order)) == sorted(values(order)) == list(range(9))


@both
@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_cache_holds_elements_of_one_pass(source, in_a_file, tmp_path, capsys):
    dataset = source(20).shuffle(20, seed=3).cache(tmp_path / "cache" if in_a_file else "")
    next(iter(dataset))
    dataset.show(3)
    found = values(dataset)
    assert sorted(found) == list(range(20))
    assert found == values(dataset) == values(dataset.repeat(2))[20:]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "int4"])
def test_a_file_holds_exactly_what_was_made(dtype, tmp_path):
    numbers = np.array([[1, -2], [3, 4]]).astype(jnp.dtype(dtype))
    texts = np.array([["ab\0", b"\xff\0\0"], ["", "α"]], object)
    element = (numbers, numbers[0, 1], texts, b"ab\0\0", "ab\0", texts[:0])
    dataset = Dataset.from_tensors(element).cache(tmp_path / "cache")
    for _ in range(2):  # the second one from the file
        (found,) = dataset.as_numpy_iterator()
        assert found[0].dtype == found[1].dtype == dtype
        for a, b in zip(found, element, strict=True):
            assert type(a) is type(b) and np.array_equal(a, b)


CHANGEABLE = {
    "rows": lambda a: Dataset.from_tensor_slices(a),
    "one element": lambda a: Dataset.from_tensors(a[0]),
    "cached": lambda a: Dataset.from_tensor_slices(a).map(lambda x: x + 0).cache(),
    "cached stream": lambda a: Dataset.from_generator(lambda: iter(a.copy())).cache(),
}


@pytest.mark.parametrize("make", CHANGEABLE.values(), ids=CHANGEABLE)
def test_functions_cannot_change_the_data(make):
    array = np.zeros((1, 2), "float32")

    def count(x):
        x += 1
        return x

    dataset = make(array)
    with pytest.raises(ValueError, match="read-only") as caught:
        list(dataset.map(count))
    assert ".copy()" in caught.value.__notes__[1]
    copied = dataset.map(lambda x: count(x.copy()))
    assert values(copied) == values(copied) == [[1, 1]]
    assert values(dataset.batch(1).map(count)) == [[[1, 1]]]
    assert array.tolist() == [[0, 0]] and array.flags.writeable


def test_repeat_ends_where_a_generator_has_no_more():
    generator = iter(range(3))
    assert values(Dataset.from_generator(lambda: generator).repeat()) == [0, 1, 2]


@both
def test_split(source):
    dataset = source(10)
    left, right = dataset.shuffle(10, seed=2, reshuffle_each_iteration=False).split(0.8)
    for _ in range(2):
        assert len(values(left)) == 8
        assert sorted(values(left) + values(right)) == list(range(10))
    left, right = source(10).split(3, shuffle=True, seed=1)
    assert len(left) == 3 and sorted(values(left) + values(right)) == list(range(10))
    for size in (0, 10, 1.5, 0.01):
        with pytest.raises(ValueError, match="samples below 10|samples for both parts"):
            source(10).split(size)


@pytest.mark.parametrize("at_random", [False, True])
def test_parts_of_a_split_hold_the_same_elements_in_the_order_of_each_pass(at_random):
    dataset = Dataset.range(20).shuffle(20, seed=2).map(lambda x: x).prefetch(1)
    left, right = dataset.split(0.7, shuffle=at_random, seed=1)
    assert len(left) == 14
    first, held, again, others = values(left), values(right), values(left), values(right)
    assert sorted(first) == sorted(again) and first != again
    assert sorted(held) == sorted(others)
    assert sorted(first + held) == list(range(20))
    assert sorted(values(right.split(2)[0]) + values(right.split(2)[1])) == sorted(held)


@both
def test_the_order_is_fixed_where_a_split_cannot_tell_elements_apart(source):
    batches = source(8).shuffle(8, seed=1).batch(2)
    with pytest.warns(UserWarning, match="before, and shuffle"):
        left, right = batches.split(1)
    first = values(left) + values(right)
    assert first == values(left) + values(right)
    assert sorted(sum(first, [])) == list(range(8))


def test_parts_of_a_split_draw_anew_in_each_pass():
    left, _ = Dataset.range(4).map(lambda x: kerata.random.uniform(())).split(2)
    assert not set(values(left)) & set(values(left))


def test_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.csv"):
        (tmp_path / name).write_text("x")
    found = values(Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False))
    assert found == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    assert sorted(values(Dataset.list_files([tmp_path / "*.txt"], seed=1))) == found
    with pytest.raises(ValueError, match="at least one file"):
        Dataset.list_files(str(tmp_path / "*.png"))


def test_grain():
    import grain

    source = grain.MapDataset.range(6)
    assert values(Dataset.from_grain(source).shuffle(6, seed=0).take(6).batch(4))[0] != [0, 1, 2, 3]
    assert values(Dataset.from_grain(source.to_iter_dataset()).batch(4)) == [[0, 1, 2, 3], [4, 5]]


MISTAKES = [
    (lambda: Dataset.from_tensor_slices((np.ones(3), np.ones(4))), "arrays of one length"),
    (lambda: Dataset.from_tensor_slices(5), "arrays of one length"),
    (lambda: list(Dataset.range(3).map(lambda n: np.ones(n)).batch(3)), "equal shapes"),
    (lambda: list(Dataset.from_generator(lambda: iter([1, (1, 2)])).batch(2)), "same structure"),
    (lambda: list(Dataset.range(3).unbatch()), "a first axis to take apart"),
    (lambda: list(Dataset.range(3).flat_map(lambda x: x)), "returns a Dataset"),
    (lambda: Dataset.range(3).batch(0), "positive integer"),
    (lambda: Dataset.range(3).take(-2), "at least 0"),
    (lambda: Dataset.range(3).shard(2, 2), r"lie in \[0, 2\)"),
    (lambda: Dataset.range(3).repeat().split(0.5), "an end"),
    (lambda: Dataset.range(0).element_spec, "empty"),
    (lambda: Dataset.zip(Dataset.range(3), [1, 2]), "be data sets"),
]


@pytest.mark.parametrize("act, message", MISTAKES, ids=[row[1] for row in MISTAKES])
def test_mistakes(act, message):
    with pytest.raises((ValueError, TypeError), match=message):
        act()


def test_hints():
    with pytest.warns(UserWarning, match="batch of batches"):
        Dataset.range(8).batch(2).batch(2)
    with pytest.warns(UserWarning, match="share samples"):
        Dataset.range(8).shuffle(8).skip(2)


def test_show(capsys):
    import matplotlib.pyplot as plt

    pictures = Dataset.from_tensor_slices((np.ones((5, 8, 8, 1)), [0, 1, 0, 1, 1])).batch(2)
    pictures.class_names = ["cat", "dog"]
    figure = pictures.show(3)
    assert [axis.get_title() for axis in figure.axes] == ["cat", "dog", "cat", ""]
    figure = Dataset.from_tensor_slices(np.ones((2, 20))).show()
    assert len(figure.axes[0].lines) == 1
    plt.close("all")
    Dataset.from_tensor_slices((["some text", "more"], ["a", "b"])).show()
    assert capsys.readouterr().out == "a: some text\nb: more\n"


def test_processes_make_the_same_elements():
    brightness = kerata.layers.RandomBrightness(0.5, seed=1)

    def lit(number):
        if number == 3:
            raise KeyError(f"no picture {number}")
        return np.asarray(brightness(np.full((2, 2, 3), number, "float32"), training=True))

    def open_(workers):
        data = Dataset.range(12).shuffle(12, seed=1).map(lit).batch(2)
        return iter(data.prefetch(1, workers=workers))

    def read(iterator, limit=None):
        found, state = [], None
        try:
            for batch in itertools.islice(iterator, limit):
                found.append(np.array(batch))
                state = iterator.get_state() if len(found) == 1 else state
        except KeyError as error:
            return found, state, [str(error), *error.__notes__]
        return found, state, []

    ours, _, told = read(open_(0))
    theirs, state, told_by_another = read(open_(2))
    assert len(ours) > 1
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert "for element" in told[1] and set(told) <= set(told_by_another)
    # From a place on, with other processes; one that is killed is missed.
    iterator = open_(1)
    iterator.set_state(state)
    assert state["place"]["memory"] == {"index": 1}
    np.testing.assert_array_equal(next(iterator), ours[1])
    with pytest.raises(RuntimeError, match="(?s)ended too early.*exit code -9"):
        for child in multiprocessing.active_children():
            child.kill()
        list(iterator)
    iterator.close()
    assert not multiprocessing.active_children()


def leaving(number):
    if number == 2:
        sys.exit(0)
    return number


def leaving_at_once(number):
    if number == 2:
        os._exit(0)
    return number


@pytest.mark.parametrize("function", [leaving, leaving_at_once])
def test_a_process_that_leaves_in_the_middle_is_missed(function):
    data = Dataset.range(8).map(function).prefetch(1, workers=1)
    with pytest.raises(RuntimeError, match="(?s)ended too early.*exit code 0"):
        list(data)


def test_a_place_does_not_depend_on_the_number_of_processes():
    def open_(workers):
        return iter(Dataset.range(9).shuffle(9, seed=1).batch(2).prefetch(1, workers=workers))

    states, expected = {}, [list(batch) for batch in open_(0)]
    for workers, other in ((0, 2), (2, 0)):
        iterator = open_(workers)
        if workers in states:
            iterator.set_state(states[workers])
            assert [list(next(iterator))] == expected[3:4]
        else:
            for _ in range(3):
                next(iterator)
        states[other] = iterator.get_state()
        iterator.close()
    assert states[2]["place"] == {"next_index": 3}
    iterator = open_(0)
    iterator.set_state(states[0])
    assert [list(batch) for batch in iterator] == expected[4:]


def test_processes_need_elements_that_can_be_read_in_any_order():
    data = Dataset.range(3).filter(lambda n: n > 0).prefetch(1, workers=2)
    with pytest.raises(ValueError, match="(?s)any order.*workers=2.*before filter"):
        list(data)
    with pytest.raises(ValueError, match="workers"):
        data.prefetch(workers=-1)
