"""FeatureSpace: from the columns of a table to a vector, or to several."""

import os
from collections.abc import Mapping

import numpy as np

from kerata.engine.configurable import deserialize_nested, publish_as, serialize
from kerata.engine.errors import argument_error, one_of, unknown_name
from kerata.engine.naming import auto_name
from kerata.engine.symbolic import KerasTensor, is_symbolic
from kerata.layers.core import Identity
from kerata.layers.input_layer import Input
from kerata.layers.layer import Layer
from kerata.layers.merging import Concatenate
from kerata.layers.preprocessing.categorical import CategoryEncoding, Discretization
from kerata.layers.preprocessing.hashing import HashedCrossing, Hashing
from kerata.layers.preprocessing.host import array_of
from kerata.layers.preprocessing.lookup import IntegerLookup, StringLookup
from kerata.layers.preprocessing.numerical import Normalization, Rescaling

_HERE = "keras.src.layers.preprocessing.feature_space"


class Cross:
    """Several features taken together; see `FeatureSpace.cross`."""

    def __init__(self, feature_names, crossing_dim, output_mode="one_hot"):
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = one_of("output_mode", output_mode, ("int", "one_hot"), "cross()")

    @property
    def name(self) -> str:
        """The names of the features, joined by "_X_"."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Feature:
    """A column and the layer that it goes through; see `FeatureSpace.feature`."""

    def __init__(self, dtype, preprocessor, output_mode):
        modes = ("int", "one_hot", "float")
        self.dtype = dtype
        self.preprocessor = preprocessor
        self.output_mode = one_of("output_mode", output_mode, modes, "feature()")

    def get_config(self) -> dict:
        return {**vars(self), "preprocessor": serialize(self.preprocessor)}

    @classmethod
    def from_config(cls, config):
        return cls(**deserialize_nested(config))

    def save_own_variables(self, store) -> None:
        """Do nothing. That it can be asked gives the preprocessor its place in files."""


for _part in (Cross, Feature):
    publish_as(_HERE, _part.__name__, _part, canonical=True)
publish_as(_HERE, "TFDIdentity", Identity)


class FeatureSpace(Layer):
    """Turns the columns of a table into numbers: normalized, in bins, as categories, crossed.

    Args:
        features: dict from the column's name to its kind: a name, for the defaults, or what the
            methods of these names return: "float", "float_normalized", "float_rescaled",
            "float_discretized", "integer_categorical", "string_categorical", "integer_hashed",
            "string_hashed"; or `feature(...)`, for a layer of one's own.
        output_mode: "concat", one vector; or "dict", a vector for each feature.
        crosses: list of what is looked at together: tuples of names, or results of `cross()`.
        crossing_dim: number of bins of a cross.
        hashing_dim: number of bins of hashed features.
        num_discretization_bins: number of bins of discretized features.
        name: name of the layer.

    Attributes:
        preprocessors: dict from feature to layer.
        crossers: dict from "first_X_second" to layer.

    Raises:
        ValueError: if a kind or a crossed feature is unknown, or there are no features.

    Example:
        >>> space = kerata.utils.FeatureSpace(
        ...     {"age": "float_normalized", "town": "string_categorical"}
        ... )
        >>> table = {"age": [30.0, 50.0], "town": ["Rome", "Oslo"]}
        >>> space.adapt(table)
        >>> space(table)
        Array([[-1.,  0.,  1.,  0.],
               [ 1.,  0.,  0.,  1.]], dtype=float32)
    """

    convert_inputs = False

    @classmethod
    def cross(cls, feature_names, crossing_dim, output_mode="one_hot") -> Cross:
        """Return the cross of features: each combination of values falls into a bin.

        Args:
            feature_names: names of the features.
            crossing_dim: number of bins.
            output_mode: "one_hot" or "int".
        """
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype, preprocessor, output_mode) -> Feature:
        """Return a feature with a layer of one's own.

        Args:
            dtype: dtype of the column: "float32", "int32", "string".
            preprocessor: the layer.
            output_mode: what it returns: "float", "int", or "one_hot" for integers that are to be
                made vectors.
        """
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name=None) -> Feature:
        """Return a column of numbers that are taken as they are."""
        return Feature("float32", Identity(dtype="float32", name=_name("float", name)), "float")

    @classmethod
    def float_rescaled(cls, scale=1.0, offset=0.0, name=None) -> Feature:
        """Return a column of numbers that become `x * scale + offset`."""
        return Feature(
            "float32", Rescaling(scale, offset, name=_name("float_rescaled", name)), "float"
        )

    @classmethod
    def float_normalized(cls, name=None) -> Feature:
        """Return a column of numbers that get mean 0 and standard deviation 1."""
        return Feature("float32", Normalization(name=_name("float_normalized", name)), "float")

    @classmethod
    def float_discretized(
        cls, num_bins, bin_boundaries=None, output_mode="one_hot", name=None
    ) -> Feature:
        """Return a column of numbers that are put into bins: learned, or with given boundaries."""
        layer = Discretization(
            bin_boundaries=bin_boundaries,
            num_bins=num_bins if bin_boundaries is None else None,
            name=_name("float_discretized", name),
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls, max_tokens=None, num_oov_indices=1, output_mode="one_hot", name=None
    ) -> Feature:
        """Return a column of integers that stand for categories; see `IntegerLookup`."""
        layer = IntegerLookup(max_tokens, num_oov_indices, name=_name("integer_categorical", name))
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls, max_tokens=None, num_oov_indices=1, output_mode="one_hot", name=None
    ) -> Feature:
        """Return a column of strings that stand for categories; see `StringLookup`."""
        layer = StringLookup(max_tokens, num_oov_indices, name=_name("string_categorical", name))
        return Feature("string", layer, output_mode)

    @classmethod
    def integer_hashed(cls, num_bins, output_mode="one_hot", name=None) -> Feature:
        """Return a column of integers that are put into bins by their hashes."""
        return Feature("int32", Hashing(num_bins, name=_name("integer_hashed", name)), output_mode)

    @classmethod
    def string_hashed(cls, num_bins, output_mode="one_hot", name=None) -> Feature:
        """Return a column of strings that are put into bins by their hashes."""
        return Feature("string", Hashing(num_bins, name=_name("string_hashed", name)), output_mode)

    def __init__(
        self,
        features,
        output_mode="concat",
        crosses=None,
        crossing_dim=32,
        hashing_dim=32,
        num_discretization_bins=32,
        name=None,
    ):
        super().__init__(name=name)
        if not features:
            raise argument_error("features", "hold at least one feature", features, self)
        if not isinstance(features, Mapping):
            must = 'be a dict from columns to kinds, like {"age": "float_normalized"}'
            raise argument_error("features", must, features, self)
        self.crossing_dim = crossing_dim
        self.hashing_dim = hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.features = {name: self._feature(name, kind) for name, kind in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.output_mode = one_of("output_mode", output_mode, ("dict", "concat"), self)
        self.inputs = {
            name: Input((1,), dtype=feature.dtype, name=name)
            for name, feature in self.features.items()
        }
        self.preprocessors = {name: f.preprocessor for name, f in self.features.items()}
        self.crossers = {c.name: HashedCrossing(c.crossing_dim, name=c.name) for c in self.crosses}
        self.one_hot_encoders: dict[str, Layer] = {}
        self.concat = Concatenate(axis=-1)
        self.encoded_features = None
        self._is_adapted = not self._adaptable()

    def _feature(self, name, kind) -> Feature:
        if isinstance(kind, Feature):
            return kind
        sizes = {
            "float_discretized": (self.num_discretization_bins,),
            "integer_hashed": (self.hashing_dim,),
            "string_hashed": (self.hashing_dim,),
        }
        plain = ("float", "float_normalized", "float_rescaled")
        kinds = (*plain, *sizes, "integer_categorical", "string_categorical")
        if kind not in kinds:
            raise unknown_name("kind of feature", kind, kinds, f"Received: for feature {name!r}")
        return getattr(self, kind)(*sizes.get(kind, ()), name=name)

    def _cross(self, cross) -> Cross:
        if not isinstance(cross, Cross):
            if not self.crossing_dim:
                must = "be given with `crosses`"
                raise argument_error("crossing_dim", must, self.crossing_dim, self)
            cross = Cross(cross, self.crossing_dim)
        for name in cross.feature_names:
            if name not in self.features:
                raise unknown_name("feature to cross", name, self.features)
        return cross

    def _adaptable(self) -> list[str]:
        """Return the names of the features with something to learn."""

        def learns(layer):
            given = isinstance(layer, Normalization) and layer.input_mean is not None
            given = given or getattr(layer, "_fixed", False)
            given = given or isinstance(layer, Discretization) and layer.num_bins is None
            return hasattr(layer, "adapt") and not given

        return [name for name, layer in self.preprocessors.items() if learns(layer)]

    def adapt(self, dataset) -> None:
        """Let all layers learn from data.

        Args:
            dataset: dict from names to columns, a pandas DataFrame, or the path of a CSV file whose
                first line has the names; or an iterable of such dicts, for batches or for single
                rows.

        Raises:
            ValueError: if it is none of these, or values are missing.
        """
        if isinstance(dataset, (str, os.PathLike)):
            from kerata.data.tables import read_csv

            dataset = read_csv(dataset, ",")
        dataset = _table(dataset)
        if not isinstance(dataset, dict) and not hasattr(dataset, "__iter__"):
            raise argument_error("dataset", "be a dict of columns, or yield them", dataset, self)
        columns: dict[str, list] = {name: [] for name in self._adaptable()}
        for batch in [dataset] if isinstance(dataset, dict) else dataset:
            batch = _table(batch[0] if isinstance(batch, tuple) else batch)
            self._check_dict(batch, columns)
            for name, parts in columns.items():
                parts.append(self._numbers(name, _column(batch[name]), sum(map(len, parts))))
        for name, parts in columns.items():
            values = np.concatenate(parts)
            gone = np.flatnonzero([v is None or v != v for v in values.ravel().tolist()])
            if gone.size:
                raise self._missing(name, gone)
            self.preprocessors[name].adapt(values)
        self._is_adapted = True
        self.encoded_features = None
        self.one_hot_encoders = {}
        self.built = True

    def _numbers(self, name: str, values: np.ndarray, before: int = 0) -> np.ndarray:
        """Return a column, `before` rows from the first; of text, numbers where it is of those."""
        dtype = self.features[name].dtype
        if dtype.startswith("float") and values.dtype.kind in "iu":
            return values.astype(dtype)
        if dtype == "string" or values.dtype.kind not in "USO":
            return values
        gone, found = [], np.zeros(values.shape)
        for i, value in enumerate(values.ravel().tolist()):
            try:
                found.flat[i] = np.nan if value is None else float(value)
            except (TypeError, ValueError):
                if not isinstance(value, str) or value.strip():
                    raise ValueError(
                        f"{self._title()}: feature {name!r} must hold numbers.\n"
                        f"Received: {value!r} in row {before + i}\n"
                        'For names and categories there is the kind "string_categorical".'
                    ) from None
                gone.append(before + i)
        if gone:
            raise self._missing(name, gone)
        return found.astype(dtype) if not np.isnan(found).any() else found

    def _missing(self, name: str, rows) -> ValueError:
        return ValueError(
            f"{self._title()}: feature {name!r} must have a value in each row.\n"
            f"Received: {len(rows)} missing, the first in row {rows[0]}\nFill or drop them first: "
            f"frame.dropna(), frame.fillna({{{name!r}: 0}}), or Dataset.from_csv(missing='drop')."
        )

    def _check_dict(self, data, names):
        if not isinstance(data, dict):
            raise ValueError(
                f"{self._title()} takes a dict from names of features to their values.\n"
                f"Received: {type(data).__name__}"
            )
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(
                f"{self._title()} needs the features {list(names)}.\n"
                f"Received: {sorted(map(str, data))}; missing: {missing}"
            )

    def get_inputs(self) -> dict[str, KerasTensor]:
        """Return the symbolic inputs, for a model that begins with raw data."""
        self._check_adapted()
        return self.inputs

    def get_encoded_features(self):
        """Return the symbolic outputs, in the structure of `output_mode`."""
        self._check_adapted()
        if self.encoded_features is None:
            self.encoded_features = self._encode(self.inputs)
        return self.encoded_features

    def _check_adapted(self):
        if not self._is_adapted:
            raise ValueError(
                f"{self._title()} has to learn before it can be used.\n"
                f"Received: no data yet for {self._adaptable()}\nCall adapt(data)."
            )

    def _encode(self, data: dict):
        found = {name: layer(data[name]) for name, layer in self.preprocessors.items()}
        crossed = {
            cross.name: self.crossers[cross.name]([found[name] for name in cross.feature_names])
            for cross in self.crosses
        }
        modes = {name: feature.output_mode for name, feature in self.features.items()}
        modes |= {cross.name: cross.output_mode for cross in self.crosses}
        values = {n: found[n] for n in sorted(found)} | {n: crossed[n] for n in sorted(crossed)}
        for name, value in values.items():
            if modes[name] == "one_hot":
                values[name] = self._one_hot(name, value)
        if self.output_mode == "dict":
            return values
        for name, value in values.items():
            if "float" not in str(value.dtype):
                raise ValueError(
                    f"{self._title()}: feature {name!r} is not encoded, so it cannot be joined to "
                    f"the others.\nReceived: its layer returns {value.dtype}\n"
                    'Use output_mode="dict", or output_mode="one_hot" for the feature.'
                )
        parts = list(values.values())
        return self.concat(parts) if len(parts) > 1 else parts[0]

    def _one_hot(self, name, value):
        if name not in self.one_hot_encoders:
            layer = self.preprocessors.get(name) or self.crossers[name]
            encoder = CategoryEncoding(self._cardinality(name, layer), "multi_hot")
            self.one_hot_encoders[name] = encoder
        if not str(value.dtype).startswith("int"):
            raise ValueError(
                f"{self._title()}: feature {name!r} has output_mode='one_hot', so its layer must "
                f"return integers.\nReceived: {value.dtype}"
            )
        return self.one_hot_encoders[name](value)

    def _cardinality(self, name, layer) -> int:
        if isinstance(layer, (IntegerLookup, StringLookup)):
            return layer.vocabulary_size()
        if isinstance(layer, Discretization):
            return layer.num_bins or len(layer.bin_boundaries) + 1
        size = getattr(layer, "num_bins", None) or getattr(layer, "num_tokens", None)
        if size is None:
            raise ValueError(
                f"{self._title()}: feature {name!r} has output_mode='one_hot', but it is not known "
                f"how many values its layer returns.\nReceived: {layer!r}\nUse output_mode='int'."
            )
        return size

    def __call__(self, data):
        """Encode a dict of columns, or of the values of a single row."""
        self._check_adapted()
        data = _table(data)
        self._check_dict(data, self.features)
        if is_symbolic(data):
            return self._encode(data)
        single = all(np.ndim(data[name]) == 0 for name in self.features)
        columns = {name: self._numbers(name, _column(data[name])) for name in self.features}
        for name, values in columns.items():
            # A layer of the user's own may know what to do about what is missing.
            ours = type(self.preprocessors[name]).__module__.startswith("kerata.")
            if ours and values.dtype.kind == "f" and np.isnan(values).any():
                raise self._missing(name, np.flatnonzero(np.isnan(values).any(axis=1)))
        encoded = self._encode(columns)
        if not single:
            return encoded
        return {k: v[0] for k, v in encoded.items()} if isinstance(encoded, dict) else encoded[0]

    def get_config(self) -> dict:
        return {
            "features": serialize(self.features),
            "output_mode": self.output_mode,
            "crosses": serialize(self.crosses),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
            "name": self.name,
        }

    def get_build_config(self) -> dict:
        """Return the build configs of the layers."""
        return {name: layer.get_build_config() for name, layer in self.preprocessors.items()}

    def build_from_config(self, config) -> None:
        """Build the layers as they were when they were saved: they have learned."""
        for name, layer in self.preprocessors.items():
            if config.get(name) and not layer.built:
                layer.build_from_config(config[name])
        self._is_adapted = True
        self.built = True

    def save(self, filepath) -> None:
        """Write this to a `.keras` file, to be read with `kerata.saving.load_model`."""
        from kerata.saving import save_model

        save_model(self, filepath)

    def save_own_variables(self, store) -> None:
        """Do nothing: all variables are the layers'."""

    def load_own_variables(self, store) -> None:
        """Do nothing: all variables are the layers'."""


def _name(kind: str, name) -> str:
    return f"{name or auto_name(kind)}_preprocessor"


def _table(data):
    """Return a pandas table as a dict of columns; other data as they are."""
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return {str(name): column.to_numpy() for name, column in data.items()}
    return data


def _column(x) -> np.ndarray:
    """Return values with an axis of rows and one of columns."""
    array = array_of(x)
    return array.reshape(-1, 1) if array.ndim < 2 else array
