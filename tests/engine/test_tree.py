"""Nested structures."""

from collections import OrderedDict, namedtuple

import pytest
from hypothesis import given, strategies as st

import kerata
from kerata import tree

Point = namedtuple("Point", "x y")

structures = st.recursive(
    st.one_of(st.integers(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text("abc"), inner, max_size=3),
        st.tuples(inner, inner).map(lambda p: Point(*p)),
    ),
    max_leaves=10,
)


@given(structures)
def test_flatten_and_pack_are_inverse(structure):
    assert tree.pack_sequence_as(structure, tree.flatten(structure)) == structure


@given(structures)
def test_paths_lead_to_the_leaves(structure):
    pairs = tree.flatten_with_path(structure)
    assert [leaf for _, leaf in pairs] == tree.flatten(structure)
    for path, leaf in pairs:
        found = structure
        for key in path:
            found = found[key]
        assert found == leaf


@given(structures)
def test_mapping_the_identity_changes_nothing(structure):
    assert tree.map_structure(lambda x: x, structure) == structure
    tree.assert_same_structure(structure, tree.map_structure(lambda x: 0, structure))


def test_dicts_are_visited_by_sorted_key_ordered_dicts_in_order():
    assert tree.flatten({"b": 1, "a": 2}) == [2, 1]
    assert tree.flatten(OrderedDict(b=1, a=2)) == [1, 2]
    assert list(tree.map_structure(lambda x: x, {"b": 1, "a": 2})) == ["b", "a"]


def test_none_is_a_leaf_unless_asked():
    assert tree.flatten([None, 1]) == [None, 1]
    assert tree.map_structure(lambda x: x + 1, [None, 1], none_is_leaf=False) == [None, 2]


def test_map_up_to_a_shallow_structure():
    assert tree.map_structure_up_to([0, 0], len, [[1, 2], [3]]) == [2, 1]


def test_traverse_replaces_nodes():
    def double(x):
        if isinstance(x, list):
            return tuple(x)
        return None

    assert tree.traverse(double, {"a": [1, [2]]}, top_down=False) == {"a": (1, (2,))}
    assert tree.traverse(lambda x: tree.MAP_TO_NONE if x == 1 else None, [1, 2]) == [None, 2]


def test_shapes_are_leaves():
    assert tree.map_shape_structure(len, {"a": (None, 3), "b": [(1,), (2, 2)]}) == {
        "a": 2, "b": [1, 2],
    }  # fmt: skip
    assert tree.map_shape_structure(str, [[1, None], "a"]) == ["[1, None]", "a"]


def test_a_set_is_a_leaf_unless_a_layer_holds_it():
    assert tree.flatten([{1}]) == [{1}]
    layer = kerata.layers.Layer()
    layer.held = {1, 2}
    assert layer.held == {1, 2} and sorted(tree.flatten(layer.held)) == [1, 2]
    assert tree.map_structure(lambda x, y: x + y, layer.held, layer.held) == {2, 4}
    tree.assert_same_paths(layer.held, [3, 4])
    with pytest.raises(ValueError, match="differ"):
        tree.assert_same_structure(layer.held, [1, 2])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tree.map_structure(3, [1]), TypeError, "callable"),
        (lambda: tree.map_structure(len), ValueError, "at least one"),
        (lambda: tree.assert_same_structure([1], (1,)), ValueError, "differ"),
        (lambda: tree.assert_same_structure({"a": 1}, {"b": 1}), ValueError, "keys"),
        (lambda: tree.assert_same_structure([1], [1, 2]), ValueError, "lengths"),
        (lambda: tree.assert_same_paths({"a": 1}, {"b": 1}), ValueError, "different paths"),
        (lambda: tree.pack_sequence_as([1, 2], [1]), ValueError, "2 leaves"),
        (lambda: tree.pack_sequence_as([1], "a"), TypeError, "sequence"),
        (
            lambda: kerata.layers.Layer().build_from_config({"input_shape": "a"}),
            ValueError,
            "tuple",
        ),
    ],
)
def test_mistakes_are_explained(call, error, words):
    with pytest.raises(error, match=words):
        call()
