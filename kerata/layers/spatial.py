"""What layers over images, sequences and volumes have in common."""

from kerata.engine import settings
from kerata.layers.arguments import repeat_defaults
from kerata.layers.stateless import Stateless


class SpatialLayer(Stateless):
    """Base of layers over `rank` spatial axes and an axis of channels.

    Inputs are `(batch, *spatial, channels)` where `data_format` is "channels_last" and
    `(batch, channels, *spatial)` where it is "channels_first".

    A family (`Conv1D`, `Conv2D`, `Conv3D`) writes its `__init__` once; its members set `rank`, and
    get a copy in which the defaults of the parameters in `per_axis` are repeated `rank` times:
    `strides=1` becomes `strides=(1, 1)`. So the signature that `inspect` shows is the one that
    runs, and no member restates it.

    Class attributes:
        rank: number of spatial axes.
        per_axis: names of the parameters that take one number for each spatial axis.
    """

    rank = 1
    per_axis: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs):
        if cls.rank > 1 and "rank" in vars(cls) and "__init__" not in vars(cls):
            cls.__init__ = repeat_defaults(cls.__init__, cls.per_axis, cls.rank)
            cls.__init__.__qualname__ = f"{cls.__name__}.__init__"
        super().__init_subclass__(**kwargs)

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = settings.data_format(data_format, self)

    @property
    def channel_axis(self) -> int:
        """The place of the channels in an input."""
        return 1 if self.data_format == "channels_first" else self.rank + 1

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The places of the spatial axes in an input."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.rank))

    def check_fits(self, inputs, window, dilation_rate=None) -> None:
        """Raise if a window that must lie inside the inputs is larger than they are."""
        dilation_rate = dilation_rate or (1,) * self.rank
        sizes = tuple(inputs.shape[axis] for axis in self.spatial_axes)
        spans = tuple((w - 1) * d + 1 for w, d in zip(window, dilation_rate, strict=True))
        if any(size < span for size, span in zip(sizes, spans, strict=True)):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs of at least {spans} in the "
                "spatial axes: its output would be empty.\n"
                f"Received: an input of shape {tuple(inputs.shape)}, which is {sizes} there\n"
                "Use a smaller window, fewer strides before it, or padding='same'."
            )
