"""Subwords: what is learned, and that nothing is lost."""

from hypothesis import given, settings, strategies as st

from kerata.examples.subwords import SPECIAL, UNKNOWN, Subwords, learn


def test_what_often_stands_together_is_merged_first():
    assert learn(["no", "now", "nowhere"], 12) == [*SPECIAL, *"ehnorw", "no", "now"]
    # Nothing is merged that occurs once, nor across words.
    assert learn(["ab cd"], 100) == [*SPECIAL, *" abcd"]


def test_all_characters_are_there_whatever_the_size():
    assert learn(["abc"], 1) == [*SPECIAL, *"abc"]


def test_a_word_is_split_as_it_was_merged():
    subwords = Subwords(learn(["low low low lower lowest newest newest"], 20))
    assert subwords.decode(subwords.encode("lower newest")) == "lower newest"
    pieces = [subwords.vocabulary[number] for number in subwords.encode("low")]
    assert pieces == ["low"]
    assert subwords.encode("lüw")[1] == UNKNOWN


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5), st.integers(0, 60))
def test_texts_come_back_from_their_numbers(texts, size):
    subwords = Subwords(learn(texts, size))
    assert len(set(subwords.vocabulary)) >= len(subwords.vocabulary) - 3
    for text in texts:
        assert subwords.decode(subwords.encode(text)) == text
