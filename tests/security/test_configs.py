"""Configs that name code, files or sizes. Each row: the attack, and a good config much like it."""

import json
import threading

import pytest

import kerata
from kerata.engine import reading
from kerata.saving import (
    DamagedFileError,
    UnsafeModelError,
    load_model,
    register_keras_serializable,
)
from tests.security.canaries import archive, becomes, dense, members_of, with_config


def function(name, module="builtins", registered_name="function"):
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": registered_name,
    }


def lambda_of(function, **more):
    return becomes("Lambda", function=function, **more)


def calls(module, class_name, *args, **kwargs):
    """Return an edit: the layer is another thing, called with these arguments."""

    def edit(config):
        becomes(class_name, module)(config)
        dense(config)["inbound_nodes"] = [{"args": list(args), "kwargs": kwargs}]

    edit.base = "plain.keras"
    return edit


def sets(**values):
    return lambda config: dense(config)["config"].update(values)


def entry(**values):
    return lambda config: dense(config).update(values)


def lookup(class_name="StringLookup", **values):
    def edit(config):
        becomes(class_name, **values)(config)
        inputs = config["config"]["layers"][0]["config"]
        inputs["dtype"] = "int64" if class_name == "IntegerLookup" else "string"

    edit.base = "plain.keras"
    return edit


def text(**values):
    return lookup("TextVectorization", vocabulary=["a"], **values)


def metric(class_name, **values):
    entry = {"module": "keras.metrics", "class_name": class_name, "registered_name": None}
    return lambda config: config["compile_config"].update(
        metrics=[{**entry, "config": {"name": "m", **values}}]
    )


def nothing(config):
    pass


relu = function("relu")
# id, what the attack does to a good config, what its good twin does
ATTACKS = [
    ("CVE-2024-3660", lambda c: lambda_of(c.python_lambda), lambda_of(relu)),
    (
        "CVE-2024-3660 in output_shape",
        lambda c: lambda_of(relu, output_shape=c.python_lambda),
        lambda_of(relu, output_shape=[4]),
    ),
    ("CVE-2024-3660 in mask", lambda c: lambda_of(relu, mask=c.python_lambda), lambda_of(relu)),
    (
        "CVE-2024-3660 in an activation",
        lambda c: sets(activation=c.python_lambda),
        sets(activation=relu),
    ),
    ("CVE-2025-1550 os.system", lambda c: calls("os", "system", f"touch {c.marker}"), nothing),
    ("CVE-2025-1550 eval", lambda c: calls("builtins", "eval", "1"), nothing),
    ("CVE-2025-1550 Popen", lambda c: calls("subprocess", "Popen", ["true"]), nothing),
    (
        "CVE-2025-1550 as a function",
        lambda c: sets(activation=function("system", "os")),
        sets(activation=relu),
    ),
    (
        "CVE-2025-1550 in registered_name",
        lambda c: entry(module=None, registered_name="os>system", class_name="system"),
        nothing,
    ),
    (
        "CVE-2025-8747",
        lambda c: calls("keras.utils", "get_file", "x", origin=c.url, cache_dir="."),
        nothing,
    ),
    (
        "CVE-2025-8747 inside Lambda",
        lambda c: lambda_of(function("get_file", "keras.utils"), arguments={"origin": c.url}),
        lambda_of(relu),
    ),
    (
        "CVE-2025-8747 by another path",
        lambda c: calls("keras.src.utils.file_utils", "get_file", "x", origin=c.url),
        nothing,
    ),
    (
        "CVE-2025-9906 the setter",
        lambda c: calls("keras.config", "enable_unsafe_deserialization"),
        nothing,
    ),
    (
        "CVE-2025-9906 load_model",
        lambda c: lambda_of(function("load_model", "keras.saving")),
        lambda_of(relu),
    ),
    (
        "CVE-2025-9906 a setter in the namespace of kerata",
        lambda c: calls("kerata.config", "set_floatx", "float16"),
        nothing,
    ),
    (
        "CVE-2025-49655",
        lambda c: becomes("TorchModuleWrapper", module=c.pickle),
        nothing,
    ),
    ("CVE-2025-12058", lambda c: lookup(vocabulary=str(c.secret)), lookup(vocabulary=["a", "b"])),
    ("CVE-2025-12058 URL", lambda c: lookup(vocabulary=c.url), lookup(vocabulary=["a", "b"])),
    (
        "CVE-2025-12058 IntegerLookup",
        lambda c: lookup("IntegerLookup", vocabulary=str(c.secret)),
        lookup("IntegerLookup", vocabulary=[1, 2]),
    ),
    (
        "CVE-2025-12058 as text with a class",
        lambda c: lookup(vocabulary={"class_name": "__bytes__", "config": {"value": c.url}}),
        lookup(vocabulary=["a", "b"]),
    ),
    ("CVE-2026-1462", lambda c: becomes("TFSMLayer", filepath=str(c.secret.parent)), nothing),
    ("CVE-2026-12479", lambda c: sets(name="../../marker"), sets(name="marker")),
    ("CVE-2026-12479 backslash", lambda c: sets(name="..\\..\\marker"), sets(name="marker")),
    ("CVE-2026-12570", lambda c: sets(units=10**12), sets(units=3)),
    (
        "fake registered_name",
        lambda c: entry(registered_name="os.system"),
        entry(registered_name=None),
    ),
    ("function of the library: plotting", lambda c: lambda_of(function("plot_model")), nothing),
    ("function of the library: setter", lambda c: lambda_of(function("set_floatx")), nothing),
    (
        "function of the library: seed",
        lambda c: lambda_of(function("make_default_seed")),
        nothing,
    ),
    ("function of the library: publish", lambda c: lambda_of(function("publish")), nothing),
    ("function of the library: resolve", lambda c: lambda_of(function("resolve")), nothing),
    ("function of the library: get", lambda c: lambda_of(function("get")), nothing),
    ("function of the library: data set", lambda c: lambda_of(function("load_data")), nothing),
    (
        "function of the library: deserialize",
        lambda c: lambda_of(function("deserialize")),
        nothing,
    ),
    ("config that changes a setting", lambda c: calls("keras.config", "set_floatx", "x"), nothing),
    (
        "config that changes the registry",
        lambda c: calls("keras.utils", "get_custom_objects"),
        nothing,
    ),
    (
        "config that changes the random state",
        lambda c: calls("keras.utils", "set_random_seed", 3),
        nothing,
    ),
    ("confusable name", lambda c: entry(class_name="D\u0435nse"), nothing),
    (
        "confusable name of an op",
        lambda c: entry(module="keras.src.ops.nn", class_name="So\u017ftmax"),
        nothing,
    ),
    ("depth bomb", lambda c: sets(name=nested(300)), nothing),
    ("a class out of a module", lambda c: entry(module="keras.layers.core"), nothing),
    ("object arrays", lambda c: sets(activation=numpy_of(["x"], "object")), nothing),
    ("array of long texts", lambda c: sets(activation=numpy_of(["x"], "S2000000000")), nothing),
    (
        "vocabulary of 10^11 unknown tokens",
        lambda c: lookup(vocabulary=["a"], num_oov_indices=10**11),
        lookup(vocabulary=["a"], num_oov_indices=2),
    ),
    (
        "n-grams of 10^11 words",
        lambda c: text(ngrams=10**11),
        text(ngrams=2),
    ),
    (
        "a metric of 10^11 thresholds",
        lambda c: metric("AUC", num_thresholds=10**11),
        metric("AUC", num_thresholds=10),
    ),
    (
        "a metric of 10^9 classes",
        lambda c: metric("MeanIoU", num_classes=10**9),
        metric("MeanIoU", num_classes=3),
    ),
    (
        "weights of 10^11 tokens",
        lambda c: lookup(
            vocabulary=["a"],
            idf_weights=[1.0],
            output_mode="tf_idf",
            pad_to_max_tokens=True,
            max_tokens=10**11,
        ),
        lookup(vocabulary=["a"], idf_weights=[1.0], output_mode="tf_idf"),
    ),
]


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def numpy_of(value, dtype):
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": dtype}}


@pytest.mark.parametrize("attack, twin", [row[1:] for row in ATTACKS], ids=[r[0] for r in ATTACKS])
def test_config(attack, twin, good, tmp_path, canary, refused, untouched):
    attack = attack(canary)
    base = good.with_name(getattr(attack, "base", good.name))
    bad = with_config(base, tmp_path / "bad.keras", attack)
    fine = with_config(base, tmp_path / "twin.keras", twin)
    refused(lambda: load_model(bad))
    with untouched():
        load_model(fine)


def test_the_good_file_loads(good, untouched):
    with untouched():
        load_model(good)


# Every way in, with safe mode unset.


def sequential(config):
    return kerata.Sequential.from_config(config["config"])


ENTRANCES = {
    "layers.deserialize": lambda c: kerata.layers.deserialize(dense(c)),
    "from_config of a layer": lambda c: kerata.layers.Lambda.from_config(dense(c)["config"]),
    "from_config of a model": sequential,
    "model_from_json": lambda c: kerata.models.model_from_json(json.dumps(c)),
    "deserialize_keras_object": kerata.saving.deserialize_keras_object,
    "deserialize_keras_object, unsafe": lambda c: kerata.saving.deserialize_keras_object(
        c, safe_mode=False
    ),
    "losses.deserialize": lambda c: kerata.losses.deserialize(dense(c)["config"]["function"]),
    "metrics.deserialize": lambda c: kerata.metrics.deserialize(dense(c)["config"]["function"]),
    "activations.deserialize": lambda c: kerata.activations.deserialize(
        dense(c)["config"]["function"]
    ),
    "activations.get": lambda c: kerata.activations.get(dense(c)["config"]["function"]),
    "initializers.get": lambda c: kerata.initializers.get(dense(c)["config"]["function"]),
}


@pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)
def test_CVE_2026_12481(enter, good, canary, untouched):
    """The code of a lambda, at an entrance where nothing is said of safety."""
    config = json.loads(members_of(good.with_name("plain.keras"))["config.json"])
    lambda_of(canary.python_lambda)(config)
    with untouched(), pytest.raises(UnsafeModelError, match="Code out of a file is never run"):
        enter(config)


def test_CVE_2026_12481_clone_model():
    """A model with a Python lambda is cloned without a way through code in a config."""
    model = kerata.Sequential([kerata.Input((2,)), kerata.layers.Lambda(lambda x: x)])
    with pytest.raises(NotImplementedError, match="no name"):
        kerata.models.clone_model(model)
    named = kerata.Sequential([kerata.Input((2,)), kerata.layers.Lambda(kerata.activations.relu)])
    assert kerata.models.clone_model(named).layers[0].function is kerata.activations.relu


@pytest.mark.parametrize("safe_mode", [True, False])
def test_safe_mode_runs_no_code_either_way(safe_mode, good, tmp_path, canary, refused):
    plain = good.with_name("plain.keras")
    bad = with_config(plain, tmp_path / "bad.keras", lambda_of(canary.python_lambda))
    refused(lambda: load_model(bad, safe_mode=safe_mode))


def test_no_setting_turns_it_off():
    with pytest.raises(UnsafeModelError, match="nothing to enable"):
        kerata.config.enable_unsafe_deserialization()


def test_two_threads_one_of_them_unsafe(good, tmp_path, canary):
    """What one thread asks for does not reach another, and code is run in neither."""
    plain = good.with_name("plain.keras")
    bad = with_config(plain, tmp_path / "bad.keras", lambda_of(canary.python_lambda))
    found = {}

    def load(path, safe_mode):
        try:
            found[safe_mode] = type(load_model(path, safe_mode=safe_mode))
        except Exception as error:
            found[safe_mode] = type(error)

    threads = [threading.Thread(target=load, args=a) for a in ((bad, True), (good, False))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {True: UnsafeModelError, False: kerata.Sequential}
    assert not canary.marker.exists()


def double(x):
    return 2 * x


def test_a_lambda_on_purpose(good, tmp_path):
    """A function that the program registered, or passes, may be named."""
    plain = good.with_name("plain.keras")
    path = with_config(plain, tmp_path / "named.keras", lambda_of(function("Custom>double")))
    with pytest.raises(UnsafeModelError, match="double"):
        load_model(path)
    assert load_model(path, {"Custom>double": double}).layers[0].function is double
    register_keras_serializable()(double)
    assert load_model(path).layers[0].function is double


class Intruder(kerata.layers.Dense):
    pass


@pytest.mark.parametrize("name", ["Dense", "Custom>Dense"])
def test_registered_objects_do_not_replace_what_is_built_in(name, good, tmp_path):
    kerata.saving.get_custom_objects()[name] = Intruder
    assert type(load_model(good, {name: Intruder}).layers[0]) is kerata.layers.Dense
    path = with_config(good, tmp_path / "x.keras", entry(registered_name="Custom>Dense"))
    with pytest.raises(UnsafeModelError, match="built in"):
        load_model(path)


# Functional models: calls between layers.


def node_of(config, index=1):
    return config["config"]["layers"][index]["inbound_nodes"][0]


def constant_call(config):
    """An op that would run while the file is read, since no input goes into it."""
    op = config["config"]["layers"][2]
    op.update(class_name="Ones", config={"name": op["name"]})
    op["inbound_nodes"] = [{"args": [[10**6, 10**6]], "kwargs": {}}]


def cycle(config):
    first, second = config["config"]["layers"][1:3]
    history = node_of(config)["args"][0]["config"]["keras_history"]
    history[0] = second["name"]


def backwards(config):
    config["config"]["layers"].reverse()


def get_item_of_secret(config):
    node_of(config, 2)["kwargs"] = {"axis": {"class_name": "__lambda__", "config": {"code": ""}}}


def twice(config):
    config["config"]["layers"].append(config["config"]["layers"][1])


GRAPHS = [
    ("op without inputs", constant_call, UnsafeModelError),
    ("layers that depend on each other", cycle, ValueError),
    ("code among the arguments of a call", get_item_of_secret, UnsafeModelError),
    ("two layers of one name", twice, ValueError),
    (
        "a layer that is not there",
        lambda c: c["config"]["output_layers"].__setitem__(0, "nobody"),
        ValueError,
    ),
]


@pytest.mark.parametrize("edit, kind", [g[1:] for g in GRAPHS], ids=[g[0] for g in GRAPHS])
def test_graph(edit, kind, folder, tmp_path, untouched):
    bad = with_config(folder / "graph.keras", tmp_path / "bad.keras", edit)
    with untouched(), pytest.raises(kind):
        load_model(bad)


def test_layers_in_any_order(folder, tmp_path):
    """Their order in the config is not that of the calls."""
    model = load_model(with_config(folder / "graph.keras", tmp_path / "x.keras", backwards))
    assert model.output_shape == (None,)


def test_shared_object_cycles(good, tmp_path):
    """A number that stands for the object it is inside of does not go in circles."""

    def edit(config):
        config["shared_object_id"] = dense(config)["shared_object_id"] = 1
        dense(config)["config"]["kernel_initializer"]["shared_object_id"] = 1

    load_model(with_config(good, tmp_path / "x.keras", edit))


# Texts of configs.

TEXTS = [
    ("depth bomb", '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
    ("a key twice", '{"class_name": "A", "class_name": "B", "config": {}}', "twice"),
    ("many values", '{"x": [' + "[]," * reading.NODES + "0]}", "values"),
    ("many objects", json.dumps([{"class_name": "x"}] * (reading.OBJECTS + 1)), "objects"),
    ("a long text", '{"x": "' + "y" * (reading.STRING + 1) + '"}', "characters"),
]
DAMAGED = [
    ("a huge integer", '{"x": ' + "9" * 5000 + "}"),
    ("a list", "[1]"),
    ("cut short", '{"x": '),
    ("no UTF-8", b'{"x": "\xff"}'),
    ("empty", ""),
]


@pytest.mark.parametrize("text, match", [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS])
def test_text(text, match, good, tmp_path, refused):
    bad = archive(tmp_path / "bad.keras", {**members_of(good), "config.json": text})
    refused(lambda: load_model(bad), match)


@pytest.mark.parametrize("text", [t[1] for t in DAMAGED], ids=[t[0] for t in DAMAGED])
def test_damaged_text(text, good, tmp_path):
    bad = archive(tmp_path / "bad.keras", {**members_of(good), "config.json": text})
    with pytest.raises(DamagedFileError, match="config.json"):
        load_model(bad)


MALFORMED = [
    ("config is a list", entry(config=[1, 2])),
    ("config is a text", entry(config="text")),
    ("layers is a text", lambda c: c["config"].update(layers="text")),
    ("no class_name", lambda c: c.pop("class_name")),
    ("no config", lambda c: c.update(config=None)),
    ("NaN", sets(units=float("nan"))),
    ("negative", sets(units=-1)),
    ("infinite", sets(units=float("inf"))),
    ("an integer of 4000 digits", sets(units=10**4000)),
    ("unknown dtype", sets(dtype="object")),
    ("a list for a name", sets(name=["x"])),
    ("an unknown argument", sets(evil=1)),
]


@pytest.mark.parametrize("edit", [m[1] for m in MALFORMED], ids=[m[0] for m in MALFORMED])
def test_malformed(edit, good, tmp_path, untouched):
    bad = with_config(good, tmp_path / "bad.keras", edit)
    with untouched(), pytest.raises(ValueError):
        load_model(bad)
