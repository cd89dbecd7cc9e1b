"""What layers without variables have in common."""

from kerata.layers.layer import Layer


class Stateless(Layer):
    """Base of layers that have no variables: they count as built from the start.

    A subclass that writes a `build` method is built by it, as any other layer.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = type(self).build is Layer.build
