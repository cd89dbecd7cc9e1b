"""Diagrams of models: what is in the boxes, and the arrows between them."""

import sys

import pytest

import kerata
from kerata.utils import model_to_dot, plot_model

pydot = pytest.importorskip("pydot")


def branching():
    inputs = kerata.Input((4,), name="x")
    a = kerata.layers.Dense(3, activation="relu", name="a")(inputs)
    b = kerata.layers.Dense(3, name="b")(inputs)
    inner = kerata.Sequential([kerata.Input((3,)), kerata.layers.ReLU(name="r")], name="inner")
    return kerata.Model(inputs, inner(a + b), name="whole")


def boxes(dot):
    found = {node.get_name().strip('"'): node.get_label() for node in dot.get_nodes()}
    for cluster in dot.get_subgraphs():
        found |= boxes(cluster)
    return found


def arrows(dot):
    """Return the arrows as pairs of the names in bold in the boxes."""
    labels = {k: v.split("<b>")[1].split("</b>")[0] for k, v in boxes(dot).items()}

    def walk(d):
        for edge in d.get_edges():
            ends = edge.get_source(), edge.get_destination()
            yield tuple(labels[e.strip('"')] for e in ends)
        for cluster in d.get_subgraphs():
            yield from walk(cluster)

    return set(walk(dot))


def test_boxes_and_arrows():
    dot = model_to_dot(branching(), rankdir="LR", dpi=50)
    assert arrows(dot) == {("x", "a"), ("x", "b"), ("a", "add"), ("b", "add"), ("add", "inner")}
    assert (dot.get("rankdir"), dot.get("dpi")) == ("LR", 50)


def test_models_inside_can_be_shown():
    dot = model_to_dot(branching(), expand_nested=True)
    assert [c.get_label() for c in dot.get_subgraphs()] == ["inner"]
    inner = {pair for pair in arrows(dot) if pair[0] == "add" or pair[1] == "r"}
    first = next(b for a, b in inner if a == "add")
    assert inner == {("add", first), (first, "r")} and first.startswith("input")
    assert isinstance(model_to_dot(branching(), subgraph=True), pydot.Cluster)


def test_what_boxes_say():
    options = dict.fromkeys(
        ("show_shapes", "show_dtype", "show_layer_activations", "show_trainable"), True
    )
    model = branching()
    model.get_layer("a").trainable = False
    label = next(v for v in boxes(model_to_dot(model, **options)).values() if "<b>a</b>" in v)
    for part in ("Dense", "relu", "(None, 4)", "(None, 3)", "float32", "False"):
        assert part in label
    plain = boxes(model_to_dot(model, show_layer_names=False)).values()
    assert not any("<b>" in v for v in plain)


def test_a_range_of_layers():
    assert arrows(model_to_dot(branching(), layer_range=("a", "a"))) == set()
    with pytest.raises(ValueError, match="no layer named 'zz'"):
        model_to_dot(branching(), layer_range=("a", "zz"))
    with pytest.raises(ValueError, match="`layer_range` only"):
        model_to_dot(branching(), colour="red")


def test_a_model_without_a_graph_is_one_box():
    class Own(kerata.Model):
        def call(self, inputs):
            return inputs

    assert len(boxes(model_to_dot(Own(name="own")))) == 1
    with pytest.raises(ValueError, match="needs a model that is built"):
        plot_model(Own())


def test_written_to_a_file(tmp_path, monkeypatch):
    plot_model(branching(), tmp_path / "model.dot", show_layer_names=True)
    assert "digraph" in (tmp_path / "model.dot").read_text(encoding="utf-8")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ImportError, match="Graphviz"):
        plot_model(branching(), tmp_path / "model.png")
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match=r"pip install 'kerata\[plots\]'"):
        plot_model(branching(), tmp_path / "model.png")
