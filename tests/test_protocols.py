"""What libraries lean on: copies and pickles, NumPy's integers, subclasses, configs, the graph."""

import copy
import json
import pickle

import jax
import keras
import numpy as np
import pytest

import kerata
from kerata import callbacks, layers, losses, metrics, ops, optimizers

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))


copies = pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])


class Own(kerata.Model):
    """A model of a user's."""

    def __init__(self, width=2, **kwargs):
        super().__init__(**kwargs)
        self.inside = [layers.Dense(width), layers.Dense(1)]

    def call(self, inputs):
        for layer in self.inside:
            inputs = layer(inputs)
        return inputs


def functional():
    inputs = kerata.Input((3,))
    x = layers.Dense(2, activation="tanh")(inputs)
    return kerata.Model(inputs, layers.Dense(1)(ops.concatenate([x, inputs], axis=-1)))


def sequential():
    return kerata.Sequential([layers.Dense(2), layers.Dropout(0.5, seed=0), layers.Dense(1)])


@copies
@pytest.mark.parametrize("make", [functional, sequential, Own], ids=lambda f: f.__name__)
def test_models(make, duplicate):
    model = make()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, verbose=0)
    twin = duplicate(model)
    assert twin.name == model.name and twin.get_config() == model.get_config()
    kerata.utils.set_random_seed(1)
    expected = model.fit(X, Y, shuffle=False, verbose=0).history
    before = [w.numpy() for w in twin.weights]
    kerata.utils.set_random_seed(1)
    assert twin.fit(X, Y, shuffle=False, verbose=0).history == expected
    for a, b, c in zip(model.weights, twin.weights, before, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert not np.array_equal(b.numpy(), c), "the twin had the weights from before"
    assert int(twin.optimizer.iterations) == 3


def recurrent():
    return kerata.Sequential([kerata.Input((4, 3)), layers.Bidirectional(layers.LSTM(2))])


def attending():
    inputs = kerata.Input((4, 3))
    x = layers.MultiHeadAttention(2, 2)(inputs, inputs, use_causal_mask=True)
    return kerata.Model(inputs, layers.LayerNormalization()(x + inputs))


def preprocessing():
    normalization = layers.Normalization()
    normalization.adapt(SERIES)
    bins = layers.Discretization(bin_boundaries=[0.0, 1.0], output_mode="one_hot")
    return kerata.Sequential([kerata.Input((4, 3)), normalization, layers.Flatten(), bins])


def text():
    words = layers.TextVectorization(output_sequence_length=3, vocabulary=["a", "b"])
    inputs = kerata.Input((1,), dtype="string")
    return kerata.Model(inputs, layers.Embedding(4, 2)(words(inputs)))


SERIES = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("float32")


@copies
@pytest.mark.parametrize(
    "make", [recurrent, attending, preprocessing, text], ids=lambda f: f.__name__
)
def test_models_of_other_layers(make, duplicate):
    model = make()
    x = np.array([["a b"], ["c a"]]) if make is text else SERIES
    expected = model.predict(x, verbose=0)
    twin = duplicate(model)
    assert twin.get_config() == model.get_config()
    np.testing.assert_array_equal(twin.predict(x, verbose=0), expected)
    for layer in model.layers:
        again = duplicate(layer)
        assert again.get_config() == layer.get_config()
        for a, b in zip(layer.weights, again.weights, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@copies
def test_a_deep_model(duplicate):
    inputs = x = kerata.Input((3,))
    for _ in range(300):
        x = layers.Identity()(x)
    twin = duplicate(kerata.Model(inputs, x))
    np.testing.assert_array_equal(twin(X), X)
    assert len(twin.layers) == 301


@copies
def test_shared_layers_stay_shared(duplicate):
    shared = layers.Dense(3)
    inputs = kerata.Input((3,))
    model = kerata.Model(inputs, shared(shared(inputs)))
    twin = duplicate({"model": model, "layer": shared})
    assert twin["model"].layers[-1] is twin["layer"] is not shared


OPTIMIZERS = "SGD RMSprop Adam AdamW Adadelta Adagrad Adamax Adafactor Nadam Ftrl Lion Lamb Muon"


@copies
@pytest.mark.parametrize("name", OPTIMIZERS.split())
def test_optimizers(name, duplicate):
    schedule = optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    optimizer = getattr(optimizers, name)(schedule)
    v = kerata.Variable(np.ones((2, 3)))
    optimizer.apply([np.ones((2, 3))], [v])
    twin = duplicate(optimizer)
    assert twin.get_config() == optimizer.get_config()
    for a, b in zip(optimizer.variables, twin.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert a is not b and a.path == b.path


CALLBACKS = {
    "EarlyStopping": {"patience": 2},
    "ReduceLROnPlateau": {},
    "ModelCheckpoint": {"filepath": "x.keras"},
    "BackupAndRestore": {"backup_dir": "x"},
    "CSVLogger": {"filename": "x.csv"},
    "TerminateOnNaN": {},
    "SwapEMAWeights": {},
    "History": {},
    "LearningRateScheduler": {"schedule": abs},
    "LambdaCallback": {"on_epoch_end": print},
    "ProgbarLogger": {},
}


@copies
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks(name, duplicate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    callback = getattr(callbacks, name)(**CALLBACKS[name])
    twin = duplicate(callback)
    assert type(twin) is type(callback) and vars(twin).keys() == vars(callback).keys()


@copies
def test_callbacks_keep_what_they_learned(duplicate):
    model = sequential()
    model.compile("sgd", "mse")
    stopping = callbacks.EarlyStopping("loss", patience=5)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[stopping])
    twin, again = duplicate((stopping, history))
    assert twin.best == stopping.best and again.history == history.history
    assert twin.model.get_config() == model.get_config()


THINGS = {
    "loss": lambda: losses.Huber(0.5),
    "metric": lambda: metrics.MeanSquaredError(),
    "initializer": lambda: kerata.initializers.HeNormal(seed=3),
    "regularizer": lambda: kerata.regularizers.L2(0.1),
    "constraint": lambda: kerata.constraints.MaxNorm(2.0),
    "schedule": lambda: optimizers.schedules.CosineDecay(0.1, 10),
    "policy": lambda: kerata.DTypePolicy("mixed_bfloat16"),
    "seeds": lambda: kerata.random.SeedGenerator(3),
}


@copies
@pytest.mark.parametrize("kind", THINGS)
def test_other_objects(kind, duplicate):
    thing = THINGS[kind]()
    assert duplicate(thing).get_config() == thing.get_config()


@copies
def test_the_state_of_metrics_and_variables(duplicate):
    metric = metrics.MeanAbsoluteError()
    metric.update_state([1.0, 2.0], [2.0, 4.0])
    assert float(duplicate(metric).result()) == 1.5
    v = kerata.Variable(np.arange(3.0), trainable=False, name="v")
    twin = duplicate(v)
    twin.assign_add(np.ones(3))
    assert v.numpy().tolist() == [0, 1, 2] and twin.numpy().tolist() == [1, 2, 3]
    assert (twin.name, twin.path, twin.trainable) == ("v", "v", False)


# What layers of libraries do.


@kerata.saving.register_keras_serializable("tests")
class Switched(layers.Layer):
    """Has an option among the arguments of its call, and says what comes out of it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inside = layers.Dense(3)

    def call(self, inputs, negative=False, mode="plain"):
        outputs = self.inside(inputs)
        return -outputs if negative else outputs

    def compute_output_shape(self, input_shape):
        return input_shape


def test_options_of_a_call_in_a_graph(tmp_path):
    layer = Switched()
    inputs = kerata.Input((3,))
    outputs = layer(inputs, negative=True, mode="other")
    assert layer.inside.built, "all variables are there when the graph is"
    model = kerata.Model(inputs, outputs)
    np.testing.assert_allclose(model(X), -layer(X), 1e-6)
    model.save(tmp_path / "model.keras")
    again = kerata.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(X, verbose=0), model(X), 1e-6)


def test_constant_numbers_are_known_in_compiled_code():
    class Placed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.places = layers.Embedding(3, 2)
            self.numbers = ops.arange(3)

        def call(self, inputs):
            return inputs + self.places(self.numbers)[:, :1][:, 0]

    assert kerata.Sequential([Placed()]).predict(X, verbose=0).shape == (4, 3)
    counts = kerata.jit(lambda x: x * ops.bincount(np.array([0, 2])))
    assert counts(np.ones(3)).tolist() == [1, 0, 1]


def test_attention_has_the_names_that_subclasses_use():
    layer = layers.MultiHeadAttention(2, 4, value_dim=3, use_bias=False)
    ours = (layer._num_heads, layer._key_dim, layer._value_dim, layer._use_bias)
    assert ours == (2, 4, 3, False) and layer._output_shape is None
    theirs = keras.layers.MultiHeadAttention(2, 4)._get_common_kwargs_for_sublayer()
    assert layer._get_common_kwargs_for_sublayer().keys() == theirs.keys()
    layer._num_heads = 1
    assert layer.num_heads == 2
    with pytest.raises(AttributeError, match="_heads"):
        layer._heads  # noqa: B018


# NumPy's integers.

N = np.int64


@pytest.mark.parametrize(
    "call",
    [
        lambda n: ops.zeros((n(2), n(3))),
        lambda n: ops.reshape(X, (n(2), n(-1))),
        lambda n: ops.sum(X, axis=n(1)),
        lambda n: ops.sum(X, axis=(n(0), n(1))),
        lambda n: ops.concatenate([X, X], axis=n(-1)),
        lambda n: ops.split(X, n(2), axis=n(0)),
        lambda n: ops.array_split(X, n(3)),
        lambda n: ops.expand_dims(X, n(0)),
        lambda n: ops.transpose(X, (n(1), n(0))),
        lambda n: ops.one_hot([0, 1], n(3)),
        lambda n: ops.top_k(X, n(2)),
        lambda n: ops.arange(n(4)),
        lambda n: ops.repeat(X, n(2), axis=n(1)),
        lambda n: ops.tile(X, (n(2), n(1))),
        lambda n: ops.pad(X, ((n(1), n(0)), (n(0), n(0)))),
        lambda n: ops.histogram(X.ravel(), bins=n(3)),
        lambda n: ops.linspace(0.0, 1.0, n(4)),
        lambda n: ops.eye(n(3), n(4), k=n(1)),
        lambda n: ops.convert_to_tensor(X)[n(1)],
        lambda n: ops.max_pool(X[None], n(2), n(1)),
        lambda n: ops.slice(X, (n(0), n(1)), (n(2), n(1))),
        lambda n: ops.fori_loop(n(0), n(3), lambda i, total: total + i, 0),
        lambda n: kerata.random.normal((n(2), n(3)), seed=n(1)),
        lambda n: kerata.utils.to_categorical([0, 1], n(3)),
        lambda n: ops.sum(kerata.Input((n(3), n(2))), axis=n(1)).shape,
        lambda n: ops.reshape(kerata.Input((n(3), n(2))), (n(-1), n(6))).shape,
        lambda n: kerata.KerasTensor((None, n(3))).shape,
        lambda n: layers.Dense(n(2)).compute_output_shape((None, n(3))),
        lambda n: kerata.Variable("zeros", shape=(n(2),)).shape,
        lambda n: kerata.grad(lambda a, b: a * b, argnums=n(1))(2.0, 3.0),
    ],
)
def test_numpy_integers(call):
    expected, found = call(int), call(N)
    assert jax.tree_util.tree_structure(found) == jax.tree_util.tree_structure(expected)
    for a, b in zip(jax.tree_util.tree_leaves(found), jax.tree_util.tree_leaves(expected)):
        np.testing.assert_array_equal(a, b)
        assert not isinstance(a, np.integer), "what comes out is plain"


def plain_config(layer):
    return json.loads(json.dumps(layer.get_config()))


IMAGE = np.ones((1, 6, 6, 2), "float32")


@pytest.mark.parametrize(
    "make, x",
    [
        (lambda n: layers.Conv2D(n(2), (n(3), n(2)), strides=n(1), groups=n(2)), IMAGE),
        (lambda n: layers.Conv2DTranspose(n(2), n(3), strides=n(2), output_padding=n(1)), IMAGE),
        (lambda n: layers.DepthwiseConv2D(n(3), depth_multiplier=n(2)), IMAGE),
        (lambda n: layers.MaxPooling2D((n(2), n(3)), strides=n(1)), IMAGE),
        (lambda n: layers.ZeroPadding2D(((n(1), n(0)), (n(2), n(1)))), IMAGE),
        (lambda n: layers.Cropping2D(n(1)), IMAGE),
        (lambda n: layers.UpSampling2D((n(2), n(1))), IMAGE),
        (lambda n: layers.Resizing(n(3), n(2)), IMAGE),
        (lambda n: layers.BatchNormalization(axis=n(-1)), IMAGE),
        (lambda n: layers.LayerNormalization(axis=(n(1), n(2))), IMAGE),
        (lambda n: layers.GroupNormalization(groups=n(2)), IMAGE),
        (lambda n: layers.Reshape((n(-1), n(4))), IMAGE),
        (lambda n: layers.Permute((n(3), n(1), n(2))), IMAGE),
        (lambda n: layers.PReLU(shared_axes=(n(1), n(2))), IMAGE),
        (lambda n: layers.Dropout(0.5, noise_shape=(None, n(1), n(1), n(2)), seed=n(1)), IMAGE),
        (lambda n: layers.MultiHeadAttention(n(2), n(2), output_shape=n(3)), SERIES),
        (lambda n: layers.RNN([layers.LSTMCell(n(2)), layers.GRUCell(n(3))]), SERIES),
        (lambda n: layers.EinsumDense("abc,cd->abd", (None, n(2))), SERIES),
        (lambda n: layers.Embedding(n(5), n(2)), np.array([[1, 4]])),
        (lambda n: layers.CategoryEncoding(n(5)), np.array([[1, 4]])),
        (lambda n: layers.IntegerLookup(vocabulary=[n(1), n(4)]), np.array([[1, 4]])),
        (lambda n: layers.Discretization([n(0), n(1)]), SERIES),
        (lambda n: layers.InputLayer((n(3),), batch_size=n(2)), None),
    ],
)
def test_numpy_integers_in_layers(make, x):
    kerata.utils.clear_session()  # so that both get the same name
    layer = make(N)
    kerata.utils.clear_session()
    plain = make(int)
    assert plain_config(layer) == plain_config(plain)
    if x is not None:
        args = (x, x) if isinstance(layer, layers.MultiHeadAttention) else (x,)
        assert layer(*args).shape == plain(*args).shape


def test_numpy_integers_in_training():
    model = sequential()
    model.compile(optimizers.SGD(np.float64(0.1)), "mse", steps_per_execution=N(1))
    history = model.fit(X, Y, epochs=N(2), batch_size=N(2), steps_per_epoch=N(2), verbose=N(0))
    assert history.epoch == [0, 1]
    assert model.predict(X, batch_size=N(2), verbose=N(0)).shape == (4, 1)
    json.dumps(model.get_compile_config())


# Subclasses.


@kerata.saving.register_keras_serializable("tests")
class Scaled(layers.Dense):
    def __init__(self, units, factor=1.0, **kwargs):
        super().__init__(units, **kwargs)
        self.factor = factor

    def call(self, inputs):
        return super().call(inputs) * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@kerata.saving.register_keras_serializable("tests")
class Fixed(layers.Dense):
    """Has another signature than its base."""

    def __init__(self, **kwargs):
        super().__init__(2, activation="tanh", **kwargs)

    def get_config(self):
        config = super().get_config()
        return {key: config[key] for key in ("name", "dtype")}


@kerata.saving.register_keras_serializable("tests")
class Attending(layers.MultiHeadAttention):
    def __init__(self, num_heads, size, **kwargs):
        super().__init__(num_heads, key_dim=size, **kwargs)
        self.size = size

    def build(self, input_shape):
        super().build(input_shape, input_shape)

    def call(self, inputs):
        return super().call(inputs, inputs)

    def get_config(self):
        config = super().get_config()
        config.pop("key_dim")
        return {**config, "size": self.size}


@kerata.saving.register_keras_serializable("tests")
class Graph(kerata.Model):
    """A functional model with arguments of its own."""

    def __init__(self, width=2, **kwargs):
        inputs = kerata.Input((3,))
        super().__init__(inputs, layers.Dense(width)(inputs), **kwargs)
        self.width = width

    def get_config(self):
        return {"width": self.width, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@pytest.mark.parametrize("package", ["", ".layers", ".models", ".ops", ".utils", ".optimizers"])
def test_a_star_import_brings_what_keras_does(package):
    found, expected = {}, {}
    exec(f"from kerata{package} import *", found)
    exec(f"from keras{package} import *", expected)
    assert expected.keys() - found.keys() <= {"src"}


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda: Scaled(N(2), factor=3.0, use_bias=False), (3,)),
        (lambda: Fixed(name="fixed"), (3,)),
        (lambda: Attending(N(2), 4), (5, 3)),
        (lambda: Graph(4), (3,)),
    ],
    ids=["dense", "other arguments", "attention", "functional"],
)
def test_subclasses_with_their_own_config(layer, shape, tmp_path):
    layer = layer()
    model = kerata.Sequential([kerata.Input(shape), layer])
    x = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    config = json.loads(json.dumps(layer.get_config()))
    assert type(layer).from_config(config).get_config() == layer.get_config()
    model.save(tmp_path / "model.keras")
    again = kerata.saving.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is type(layer)
    np.testing.assert_allclose(again(x), model(x), 1e-6)


def test_a_subclass_gets_the_name_of_a_plain_policy():
    given = []

    class Noting(layers.Dense):
        def __init__(self, *args, dtype=None, **kwargs):
            given.append(dtype)
            super().__init__(*args, dtype=dtype, **kwargs)

    for dtype in ("bfloat16", "int8_from_bfloat16"):
        again = Noting.from_config(layers.Dense(2, dtype=dtype).get_config())
        assert again.dtype_policy.name == dtype
    assert given[0] == "bfloat16" and isinstance(given[1], kerata.DTypePolicy)


# Private names that users' classes are likely to have are free, or taken in Keras, too.

LIKELY = """accumulate activation adapter add attend attention averaged backbone batch bias bind
    block build cache cast classifier clip compute config convert count data decoder dense depth dim
    dropout embed embedding encode encoder excluded features filters flag forward frozen gate get
    graph head heads hidden index init inner inputs is_adapted keep kernel key label layer learn
    leaves length linear locked logits loss_fn mask memory mode model momentum network noise norm
    normalize note optimizer options outputs own params parse pool predict prefix process project
    projection proj query random rate rebuild refuse reset sample scale scope settings shape size
    slots source split stack state states stem step step_count store table target teacher
    temperature test tokens train training transform update value values velocity vocabulary weights
    width""".split()
MAKERS = {
    "Model": lambda k: k.Model(),
    "Sequential": lambda k: k.Sequential([k.layers.Dense(2)]),
    "Dense": lambda k: k.layers.Dense(2),
    "LSTM": lambda k: k.layers.LSTM(2),
    "MultiHeadAttention": lambda k: k.layers.MultiHeadAttention(2, 2),
    "Normalization": lambda k: k.layers.Normalization(),
    "Mean": lambda k: k.metrics.Mean(),
    "Huber": lambda k: k.losses.Huber(),
    "Adam": lambda k: k.optimizers.Adam(),
    "HeNormal": lambda k: k.initializers.HeNormal(),
    "Callback": lambda k: k.callbacks.Callback(),
}


@pytest.mark.parametrize("name", MAKERS)
def test_likely_private_names_are_free(name):
    taken = {f"_{word}" for word in LIKELY} & set(dir(MAKERS[name](kerata)))
    assert taken <= set(dir(MAKERS[name](keras)))


def test_a_model_with_likely_names():
    class Graphs(kerata.Model):
        def __init__(self):
            super().__init__()
            self._graph = {"edges": [(0, 1)]}
            self._stack = self._own = self._frozen = self._locked = True
            self._leaves = [layers.Dense(1)]

        def _convert(self, x, y, z):
            return x

        def _bind(self):
            return self

        def call(self, inputs):
            return self._leaves[0](self._convert(inputs, 0, 0))

    model = Graphs()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert not model.is_functional and len(model.weights) == 2


def test_an_eager_model_may_use_numpy():
    class Looking(Own):
        def call(self, inputs):
            assert np.isfinite(np.asarray(inputs)).all()
            return super().call(inputs)

    model = Looking()
    model.compile("sgd", "mse", run_eagerly=True)
    assert model.predict(X, verbose=0).shape == (4, 1)
    model = Looking()
    model.compile("sgd", "mse", run_eagerly=True)
    assert model.evaluate(X, Y, verbose=0) >= 0


# Building and compiling from configs.


def test_build_configs():
    layer = layers.Dense(2)
    assert layer.get_build_config() is None
    layer.build((None, 3))
    config = json.loads(json.dumps(layer.get_build_config()))
    again = layers.Dense(2)
    again.build_from_config(config)
    assert again.built and again.kernel.shape == (3, 2)


def test_a_layer_with_its_own_build_config():
    class Sized(layers.Layer):
        def build(self, input_shape):
            self.width = input_shape[-1]
            self.scale = self.add_weight(name="scale", shape=(self.width,))

        def call(self, inputs):
            return inputs * self.scale

        def get_build_config(self):
            return {"width": self.width}

        def build_from_config(self, config):
            self.build((None, config["width"]))

    layer = Sized()
    layer(X)
    with kerata.saving.custom_object_scope({"Sized": Sized}):
        config = layers.serialize(layer)
        assert config["build_config"] == {"width": 3}
        assert layers.deserialize(config).scale.shape == (3,)


def test_compile_configs():
    model = functional()
    assert model.get_compile_config() is None
    model.compile(optimizers.Adam(0.5), losses.Huber(2.0), metrics=["mae"], loss_weights=[2.0])
    config = json.loads(json.dumps(model.get_compile_config()))
    again = functional()
    again.compile_from_config(config)
    assert float(again.optimizer.learning_rate) == 0.5 and again.loss.delta == 2.0
    again.set_weights(model.get_weights())
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


# The graph that tools walk.


def test_the_graph():
    inputs = kerata.Input((3,), name="x")
    first, second = layers.Dense(2, name="first"), layers.Dense(2, name="second")
    a = first(inputs)
    b = second(first(ops.concatenate([a, a[:, :1]], axis=-1)))
    model = kerata.Model(inputs, b)
    assert first.input is inputs and first.output is a
    assert second.output is model.output is b and model.input is inputs
    operation, node_index, tensor_index = b._keras_history
    assert (operation, node_index, tensor_index) == (second, 0, 0)
    assert b._keras_history.operation is second
    assert len(first._inbound_nodes) == 2
    node = first._inbound_nodes[0]
    assert node.operation is first and node.input_tensors == [inputs] and node.outputs == [a]
    assert [n.operation.name for n in second._inbound_nodes[0].parent_nodes] == ["first"]
    assert {n.operation.name for n in inputs._keras_history.operation._outbound_nodes} == {"first"}
    assert [o.name for o in model.operations][0] == "x"
    assert kerata.utils.get_source_inputs(b) == [inputs]
    with pytest.raises(AttributeError, match="never called on a symbolic tensor"):
        layers.Dense(2).output  # noqa: B018


def test_several_outputs_are_a_list():
    inputs = kerata.Input((4, 3))
    lstm = layers.LSTM(2, return_state=True)
    outputs = lstm(inputs)
    assert lstm.output == list(outputs) and lstm.input is inputs
    states = kerata.Model(inputs, lstm.output[1:]).predict(SERIES, verbose=0)
    assert type(states) is list and len(states) == 2
    added = layers.Lambda(lambda x: x["a"] + x["b"])
    added({"a": inputs, "b": inputs})
    assert added.input == [inputs, inputs]


def test_source_inputs_of_several():
    a, b, c = (kerata.Input((2,)) for _ in range(3))
    assert kerata.utils.get_source_inputs(layers.add([a, b]) * a) == [a, b]
    assert kerata.utils.get_source_inputs(c) == [c]


# Scopes.


def test_stateless_scope():
    model = sequential()
    model(X)
    values = [np.ones(v.shape, v.dtype) for v in model.trainable_variables]

    def forward(values):
        pairs = list(zip(model.trainable_variables, values))
        with kerata.StatelessScope(state_mapping=pairs) as scope:
            y = model(X)
            model.trainable_variables[0].assign(values[0] * 2)
        return y, scope.get_current_value(model.trainable_variables[0])

    before = model.get_weights()
    outputs, new = jax.jit(forward)(values)
    np.testing.assert_allclose(outputs, (X.sum(1, keepdims=True) + 1) * 2 + 1, 1e-5)
    assert (np.asarray(new) == 2).all()
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_scopes_nest_and_say_what_they_hold():
    v, w = kerata.Variable(1.0), kerata.Variable(2.0)
    with kerata.StatelessScope([(v, 10.0)]) as outer, kerata.SymbolicScope():
        with kerata.StatelessScope() as inner:
            inner.add_update((w, ops.convert_to_tensor(v.value + 1)))
            assert float(w.value) == 11
        assert float(w.value) == 2 and inner.get_current_value(v) is None
        assert float(outer.get_current_value(v)) == 10
    assert float(v.value) == 1
