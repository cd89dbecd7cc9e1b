"""Reads pickles that hold numbers, strings, lists, dicts and NumPy arrays of them: nothing else.

Unpickling runs whatever a file asks for. Here the few instructions that data needs are carried out
one by one; there is no instruction that imports, calls or sets anything of Python's.
"""

import re
import struct

import numpy as np

# What arrays are pickled with. The names mean nothing else here, and are looked up nowhere.
_MAKE_ARRAY = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
_MAKE_DTYPE = ("numpy", "dtype")
_MAKE_BYTES = ("_codecs", "encode")  # how Python 3 writes bytes in protocol 2
_NAMES = {*_MAKE_ARRAY, _MAKE_DTYPE, _MAKE_BYTES, ("numpy", "ndarray")}

_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
# Instructions with a number behind them: how it is packed.
_NUMBERS = {b"K": "<B", b"M": "<H", b"J": "<i", b"G": ">d"}
# Instructions with a text or bytes behind them: how their length is packed.
_TEXTS = {b"U": "<B", b"T": "<i", b"X": "<I", b"\x8c": "<B", b"\x8d": "<Q"}
_BYTES = {b"C": "<B", b"B": "<I", b"\x8e": "<Q"}
# Instructions for the memory: how the key is packed.
_KEYS = {b"q": "<B", b"r": "<I", b"h": "<B", b"j": "<I"}
_MARK = object()
_DTYPE = re.compile("[biufcSUO][0-9]{1,9}")
_DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError, struct.error)


def read(data: bytes, name: str = "the pickle"):
    """Return what a pickle holds.

    Args:
        data: the pickle, of protocol 2 or later.
        name: what to call it in messages.

    Returns:
        Numbers, strings (those of Python 2 too), bytes, lists, tuples, dicts or arrays.

    Raises:
        ValueError: if it is damaged, or asks for anything else.

    Example:
        >>> import pickle
        >>> from kerata.datasets import pickles
        >>> pickles.read(pickle.dumps({"labels": [1, 2, 300]}))
        {'labels': [1, 2, 300]}
        >>> pickles.read(pickle.dumps(print))
        Traceback (most recent call last):
        ValueError: The file asks for 'builtins.print', which no data needs, and was not read.
        Received: the pickle
    """
    try:
        return _Machine(data).run()
    except _Refused as error:
        raise ValueError(f"{error}\nReceived: {name}") from None
    except _DAMAGE as error:
        raise ValueError(f"The file is damaged: {error}\nReceived: {name}") from error


class _Refused(Exception):
    """A pickle asks for something that data does not need."""


class _Made:
    """An array that was begun: its dtype and contents come later."""


class _Machine:
    """A stack, a memory, and the instructions that data is pickled with."""

    def __init__(self, data: bytes):
        self.data = data
        self.place = 0
        self.stack: list = []
        self.memory: dict = {}

    def take(self, count: int) -> bytes:
        if count < 0 or self.place + count > len(self.data):
            raise ValueError("it ends too early")
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self, form: str):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        end = self.data.index(b"\n", self.place)
        return self.take(end + 1 - self.place)[:-1]

    def to_mark(self) -> list:
        """Take everything above the latest mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
        if at < 0:
            raise ValueError("a mark is missing")
        taken = self.stack[at + 1 :]
        del self.stack[at:]
        return taken

    def run(self):
        stack, data = self.stack, self.data
        while True:
            # Lists of small integers are nearly all of what there is.
            place, push = self.place, stack.append
            while True:
                code = data[place]
                if code == 75:  # K
                    push(data[place + 1])
                    place += 2
                elif code == 77:  # M
                    push(data[place + 1] | data[place + 2] << 8)
                    place += 3
                else:
                    break
            self.place = place
            code = self.take(1)
            if code == b".":
                return stack.pop()
            self.step(code)

    def step(self, code: bytes) -> None:
        stack = self.stack
        if code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _NUMBERS:
            stack.append(self.number(_NUMBERS[code]))
        elif code in _TEXTS:
            text = self.take(self.number(_TEXTS[code]))
            # Strings of Python 2 may be bytes in truth.
            stack.append(text.decode("latin-1" if code in b"UT" else "utf-8"))
        elif code in _BYTES:
            stack.append(self.take(self.number(_BYTES[code])))
        elif code == b"\x8a":
            stack.append(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif code == b"(":
            stack.append(_MARK)
        elif code in b"]}":
            stack.append([] if code == b"]" else {})
        elif code == b"t":
            stack.append(tuple(self.to_mark()))
        elif code in b"\x85\x86\x87":
            count = code[0] - 0x84
            stack[-count:] = [tuple(stack[-count:])]
        elif code in b"ae":
            items = [stack.pop()] if code == b"a" else self.to_mark()
            list.extend(stack[-1], items)
        elif code in b"su":
            items = [stack.pop(-2), stack.pop()] if code == b"s" else self.to_mark()
            dict.update(stack[-1], _pairs(items))
        elif code in b"qr\x94":
            key = len(self.memory) if code == b"\x94" else self.number(_KEYS[code])
            self.memory[key] = stack[-1]
        elif code in b"hj":
            stack.append(self.memory[self.number(_KEYS[code])])
        elif code in b"\x80\x95":
            self.take(1 if code == b"\x80" else 8)
        elif code == b"0":
            stack.pop()
        elif code in b"c\x93":
            self.name(code)
        elif code == b"R":
            self.make(stack.pop())
        elif code == b"b":
            self.fill(stack.pop())
        else:
            raise _Refused(f"The file holds the instruction {code!r}, which no data needs.")

    def name(self, code: bytes) -> None:
        """Push a name of NumPy's, as a name."""
        if code == b"c":
            name = (self.line().decode("utf-8"), self.line().decode("utf-8"))
        else:
            name = (self.stack.pop(-2), self.stack.pop())
        if name not in _NAMES:
            raise _Refused(
                f"The file asks for {'.'.join(name)!r}, which no data needs, and was not read."
            )
        self.stack.append(name)

    def make(self, arguments: tuple) -> None:
        """Begin an array, or make a dtype."""
        name = self.stack.pop()
        if name in _MAKE_ARRAY:
            self.stack.append(_Made())
        elif name == _MAKE_DTYPE:
            self.stack.append(_dtype(arguments[0]))
        elif name == _MAKE_BYTES:
            self.stack.append(arguments[0].encode("latin-1"))
        else:
            raise _Refused(f"The file calls {name!r}, which no data needs, and was not read.")

    def fill(self, state: tuple) -> None:
        """Give an array its contents, or a dtype its byte order."""
        target = self.stack[-1]
        value: np.dtype | np.ndarray
        if isinstance(target, np.dtype):
            order = state[1]
            value = target.newbyteorder(order) if order in ("<", ">") else target
        elif isinstance(target, _Made):
            value = _array(*state[1:])
        else:
            raise _Refused("The file changes an object's attributes, which no data needs.")
        self.stack[-1] = value
        for key, known in self.memory.items():
            if known is target:
                self.memory[key] = value


def _pairs(items: list) -> dict:
    if len(items) % 2:
        raise ValueError("a key has no value")
    return dict(zip(items[::2], items[1::2]))


def _dtype(name: str) -> np.dtype:
    if not _DTYPE.fullmatch(name):
        raise _Refused(f"The file holds an array of {name!r}, which no data needs.")
    return np.dtype(name)


def _array(shape: tuple, dtype: np.dtype, columns_first: bool, contents) -> np.ndarray:
    if dtype.hasobject:
        array = np.fromiter(contents, object, len(contents))
    else:
        # Python 3 reads what Python 2 wrote as a string.
        data = contents.encode("latin-1") if isinstance(contents, str) else contents
        array = np.frombuffer(data, dtype).copy()
    return array.reshape(shape[::-1]).T if columns_first else array.reshape(shape)
