"""Names of Keras 2's optimizers, which there are none of: they say so when they are made."""

from kerata.engine.configurable import publish


class Optimizer:
    """Not supported.

    Raises:
        ImportError: always.
    """

    def __init__(self, *args, **kwargs):
        del args, kwargs
        raise ImportError(
            f"`optimizers.legacy` is not supported.\nUse `kerata.optimizers.{type(self).__name__}`."
        )


class Adagrad(Optimizer):
    """Not supported."""


class Adam(Optimizer):
    """Not supported."""


class Ftrl(Optimizer):
    """Not supported."""


class RMSprop(Optimizer):
    """Not supported."""


class SGD(Optimizer):
    """Not supported."""


publish(globals())
