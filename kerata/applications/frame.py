"""What all architectures share: the input, the head, the weights, and their many signatures."""

import inspect
import json
import os
import threading
from importlib import resources

from kerata import layers
from kerata.applications.imagenet_utils import check_shape
from kerata.engine import settings
from kerata.engine.errors import argument_error, one_of
from kerata.engine.symbolic import KerasTensor, get_source_inputs
from kerata.models.model import Model
from kerata.utils.download import get_file

# For each architecture, and for it without its head: URL and hash of the weights, and their name
# in the cache if it is not that of the URL.
WEIGHTS: dict[str, dict[str, list]] = json.loads(
    resources.files("kerata.applications").joinpath("weights.json").read_text(encoding="utf-8")
)


class _Making(threading.local):
    """The architecture that is being made in this thread, for messages."""

    title = ""


_making = _Making()


class Frame:
    """The beginning and the end of a model.

    Args:
        arguments: `locals()` of the function that makes the model: all have these names.
        size: usual number of rows and columns of the images.
        least: smallest number of rows or columns.
        fixed: whether the size of the images must be known; if None, it is with the head.

    Attributes:
        images: the input, a symbolic tensor.
        axis: axis of the channels.
        channels: number of channels of the images.
        rows: number of rows in `input_shape`, or None: models are named after it.

    Raises:
        ValueError: if the arguments are impossible, or contradict each other.
    """

    def __init__(self, arguments, size: int, least: int = 32, fixed: bool | None = None):
        self.name = arguments["name"]
        owner = _making.title or self.name or "The model"
        self.top = arguments["include_top"]
        self.weights = arguments["weights"]
        self.classes = arguments["classes"]
        self.activation = arguments["classifier_activation"]
        self.pooling = arguments["pooling"]
        if self.weights not in ("imagenet", None) and not os.path.exists(self.weights):
            must = "be 'imagenet', None, or the path of a file that exists"
            raise argument_error("weights", must, self.weights, owner)
        if self.imagenet and self.top and self.classes != 1000:
            must = "be 1000 with `include_top=True` and weights trained on ImageNet"
            raise argument_error("classes", must, self.classes, owner)
        if self.weights and self.top and _name_of(self.activation) not in ("softmax", None, ""):
            must = "be 'softmax' or None when weights are loaded: they were trained with it"
            raise argument_error("classifier_activation", must, self.activation, owner)
        one_of("pooling", self.pooling, (None, "avg", "max"), owner)
        fixed = self.top if fixed is None else fixed
        shape = check_shape(arguments["input_shape"], size, least, fixed, self.imagenet, owner)
        self.axis = 1 if settings.image_data_format() == "channels_first" else -1
        self.rows = shape[1 if self.axis == 1 else 0]
        tensor = arguments["input_tensor"]
        if isinstance(tensor, KerasTensor):
            self.images = tensor
            owner = f"{owner} on `input_tensor`"
            shape = check_shape(tensor.shape[1:], size, least, False, self.imagenet, owner)
        else:
            self.images = layers.Input(shape=shape, tensor=tensor)
        self.channels = shape[0 if self.axis == 1 else -1]

    @property
    def imagenet(self) -> bool:
        """Whether weights trained on ImageNet are wanted."""
        return self.weights == "imagenet"

    def normalize(self, x, name=None, **options):
        """Return feature maps, normalized by the batch."""
        return layers.BatchNormalization(axis=self.axis, name=name, **options)(x)

    def corrected_padding(self, x, size: int) -> tuple:
        """Return the padding before a convolution with stride 2: as "same" does it, but first."""
        sizes = x.shape[2:] if self.axis == 1 else x.shape[1:3]
        half = size // 2
        return tuple((half - (1 - n % 2 if n else 1), half) for n in sizes)

    def pooled(self, x, average=None, largest=None):
        """Return feature maps as the user wants them: pooled or not."""
        if self.pooling == "avg":
            return layers.GlobalAveragePooling2D(name=average)(x)
        if self.pooling == "max":
            return layers.GlobalMaxPooling2D(name=largest)(x)
        return x

    def classify(self, x, pool="avg_pool", largest="max_pool", dropout=0.0, **options):
        """Return class scores for feature maps; the maps, pooled as wanted, without the head.

        Args:
            x: feature maps.
            pool: name of the layer that takes the mean of each map.
            largest: name of the layer that takes the largest value; if None, none of the two has a
                name without the head.
            dropout: share of the means that is left out in training.
            **options: arguments of the last layer.
        """
        if not self.top:
            return self.pooled(x, largest and pool, largest)
        x = layers.GlobalAveragePooling2D(name=pool)(x)
        if dropout > 0:
            x = layers.Dropout(dropout, name="top_dropout")(x)
        options = {"activation": self.activation, "name": "predictions", **options}
        return layers.Dense(self.classes, **options)(x)

    def model(self, outputs, weights: str | list) -> Model:
        """Return the model, with its weights.

        Args:
            outputs: what it computes.
            weights: name of the published weights in `WEIGHTS`, or an entry like those there.
        """
        sources = get_source_inputs(self.images)
        inputs = sources[0] if len(sources) == 1 else sources
        model = Model(inputs, outputs, name=self.name)
        if self.imagenet:
            if isinstance(weights, str):
                weights = WEIGHTS[weights]["top" if self.top else "notop"]
            origin, file_hash, name = (*weights, None)[:3]
            try:
                path = get_file(name, origin, file_hash=file_hash, cache_subdir="models")
            except OSError as error:
                error.add_note(
                    f"These are the weights of {_making.title or self.name}: weights=PATH takes a "
                    "file that you have, weights=None makes a model to be trained."
                )
                raise
            model.load_weights(path)
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def _name_of(activation):
    return getattr(activation, "__name__", activation)


_ARGUMENTS = """Args:
    include_top: whether the model ends with the classifier, or with feature maps.
    weights: "imagenet" for weights trained on ImageNet, which are downloaded on first use; None
        for random ones; or the path of a file of weights.
    input_tensor: symbolic tensor to begin with, in place of a new input.
    input_shape: shape of one image, such as `(224, 224, 3)`; the usual one if None.
    pooling: without the classifier: None for feature maps, "avg" or "max" for one vector an image.
    classes: number of classes.
    classifier_activation: activation of the last layer; None for logits.
    name: name of the model."""

_RETURNS = """Returns:
    A functional model.

Raises:
    ValueError: if the arguments are impossible, or contradict each other."""


def variant(template, title: str, *fixed, name: str | None = None):
    """Return the public function that makes one architecture of a family.

    Args:
        template: function that makes models of the family. Its positional-only parameters are
            `key`, which gets `name`, and what the architectures differ in; the others are public.
            Its docstring says what the models are, which arguments they have besides the usual
            ones, and the source.
        title: name of the public function.
        *fixed: values of the positional-only parameters behind `key`.
        name: default name of the models; `title` in lower case if None, unless the template has
            no default either.
    """
    signature = inspect.signature(template)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.POSITIONAL_ONLY]
    if signature.parameters["name"].default is not None:
        name = name or title.lower()
    parameters = [p.replace(default=name) if p.name == "name" else p for p in parameters]
    public = signature.replace(parameters=parameters)

    def make(*args, **kwargs):
        try:
            given = public.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{title}() takes {public}.\nReceived: {error}") from None
        given.apply_defaults()
        outer, _making.title = _making.title, title
        try:
            return template(name, *fixed, **given.arguments)
        finally:
            _making.title = outer

    summary, *special, source = inspect.cleandoc(template.__doc__).split("\n\n")
    arguments = "\n".join([_ARGUMENTS, *(each.removeprefix("Args:\n") for each in special)])
    make.__doc__ = "\n\n".join([f"Return {title}, {summary}", arguments, _RETURNS, source])
    make.__signature__ = public  # type: ignore[attr-defined]
    make.__name__ = make.__qualname__ = title
    make.__module__ = template.__module__
    return make
