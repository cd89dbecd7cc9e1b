"""Models for serving (public namespace `kerata.export`).

What Keras exports are programs of other frameworks. kerata's models are programs of JAX: the errors
here say how to write these.
"""

from kerata.engine.errors import foreign_format
from kerata.engine.registry import publish


class ExportArchive:
    """Raises: it would write a SavedModel, a program of TensorFlow. See the error for what to use.

    Args:
        format: "saved_model".
        **kwargs: further arguments.

    Raises:
        NotImplementedError: always.
    """

    def __new__(cls, format="saved_model", **kwargs):
        raise foreign_format("ExportArchive", format)


publish(globals())
