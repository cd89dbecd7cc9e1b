"""Subwords: pieces of words that are learned from a text, for the models that read and write."""

import re
from collections import Counter, defaultdict

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ["", "\ufffd", "\x02", "\x03"]  # what stands for these four in a vocabulary

# A word with the space or hyphen before it, a run of line breaks or of spaces, or one character.
WORDS = re.compile(r"[ -]?\w+|\n+|[^\S\n]+|.")


def learn(texts, size):
    """Return a vocabulary: byte pair encoding (Sennrich, Haddow, Birch, 2016).

    Args:
        texts: list of strings.
        size: largest number of pieces. All characters are among them, whatever the size.

    Example:
        >>> learn(["no", "now", "nowhere"], 12)[4:]
        ['e', 'h', 'n', 'o', 'r', 'w', 'no', 'now']
    """
    counts = Counter(word for text in texts for word in WORDS.findall(text))
    words = [(list(word), count) for word, count in sorted(counts.items())]
    vocabulary = SPECIAL + sorted({character for word in counts for character in word})
    pairs, places = Counter(), defaultdict(set)  # how often each pair is there, and in what words

    def note(place, sign):
        pieces, count = words[place]
        for pair in zip(pieces, pieces[1:]):
            pairs[pair] += sign * count
            places[pair].add(place)

    for place in range(len(words)):
        note(place, +1)
    while len(vocabulary) < size and pairs:
        pair = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[pair] < 2:
            break
        vocabulary.append("".join(pair))
        for place in places.pop(pair):
            note(place, -1)
            _merge(words[place][0], *pair)
            note(place, +1)
        pairs += Counter()  # forget those that are gone
    return vocabulary


class Subwords:
    """Turns text into numbers, and back, by a vocabulary of `learn`.

    Example:
        >>> subwords = Subwords(learn(["no", "now", "nowhere"], 12))
        >>> subwords.encode("nowhere, no")
        [11, 5, 4, 8, 4, 1, 1, 10]
        >>> subwords.decode([10, 9, 8])
        'nowr'
    """

    def __init__(self, vocabulary):
        self.vocabulary = list(vocabulary)
        self.numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        self._known = {}

    def encode(self, text):
        """Return the numbers of the pieces of a text."""
        return [number for word in WORDS.findall(text) for number in self._word(word)]

    def decode(self, numbers):
        """Return the text of some pieces."""
        return "".join(self.vocabulary[number] for number in numbers)

    def _word(self, word):
        if word not in self._known:
            pieces = list(word)
            while pairs := [p for p in zip(pieces, pieces[1:]) if "".join(p) in self.numbers]:
                # Those that were learned first are merged first.
                _merge(pieces, *min(pairs, key=lambda pair: self.numbers["".join(pair)]))
            self._known[word] = [self.numbers.get(piece, UNKNOWN) for piece in pieces]
        return self._known[word]


def _merge(pieces, left, right):
    """Make one piece of each `left` that is followed by `right`, in a list."""
    place = 0
    while place < len(pieces) - 1:
        if pieces[place] == left and pieces[place + 1] == right:
            pieces[place : place + 2] = [left + right]
        place += 1
