"""Small models that both kerata and Keras can make: each function takes the package."""

import functools

import numpy as np

rng = np.random.default_rng(5)


def mlp(k):
    # Named, for tests look into its files.
    first = k.layers.Dense(3, activation="relu", name="dense")
    return k.Sequential([k.Input((4,)), first, k.layers.Dense(2, name="dense_1")])


def convnet(k):
    return k.Sequential(
        [
            k.Input((6, 6, 3)),
            k.layers.Conv2D(4, 3, activation="relu", name="eye"),
            k.layers.BatchNormalization(),
            k.layers.MaxPooling2D(),
            k.layers.Dropout(0.3),
            k.layers.Flatten(),
            k.layers.Dense(2, kernel_regularizer="l2"),
        ]
    )


def two_inputs(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(2), k.layers.BatchNormalization()])
    shared = k.layers.Dense(2, name="shared")
    x = k.layers.Add()([inner(a), shared(b), shared(a)])
    return k.Model([a, b], k.ops.mean(k.ops.stack([x * 2.0, x], axis=1), axis=1))


def data_for(make):
    """Return inputs and targets."""
    if make is two_inputs:
        x = [rng.normal(size=(4, 4)).astype("float32") for _ in range(2)]
    else:
        shape = (4, 4) if make is mlp else (4, 6, 6, 3)
        x = rng.normal(size=shape).astype("float32")
    return x, rng.normal(size=(4, 2)).astype("float32")


@functools.cache
def trained(k, make):
    """Return a compiled model after one step, its inputs and targets."""
    x, y = data_for(make)
    model = make(k)
    model.compile(k.optimizers.Adam(0.01), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(x, y, verbose=0)
    return model, x, y


def values(variables):
    return [np.asarray(v.value) for v in variables]


def tricky(k):
    """Return a subclassed model with layers in attributes of all kinds."""
    layers = k.layers

    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.zz = layers.Dense(2)
            self._private = layers.Dense(3)
            self.aa = [layers.Dense(2, name="q"), layers.Dense(2), layers.ReLU()]
            self.dd = {"k2": layers.Dense(2), "k1": layers.LayerNormalization()}
            self.nested = (layers.Dense(2), [layers.Dense(2), (layers.Dense(2),)])
            self.empty = []
            self.sub = k.Sequential([layers.Dense(2)])
            self.seen = k.metrics.Mean()
            self.drop = layers.Dropout(0.2)

        def build(self, shape):
            self.w = self.add_weight(shape=(2,), name="w", trainable=False)
            self.Z = self.add_weight(shape=(3,), name="Z")
            self.built = True

        def call(self, x):
            x = self.zz(x) + self.w + k.ops.sum(self.Z)
            for layer in [*self.aa, *self.dd.values(), self.nested[0]]:
                x = layer(x)
            x = self.nested[1][1][0](self.nested[1][0](x))
            return self._private(self.sub(x))

    class Tricky(k.Model):
        def __init__(self):
            super().__init__(name="tricky")
            self.b = Block(name="blocky")
            self.again = self.b
            self.z1 = layers.Dense(4)
            self.a1 = layers.Dense(4)
            self.many = [layers.Dense(4), self.z1]
            self.seed = k.random.SeedGenerator(1)

        def call(self, x):
            return self.many[0](self.z1(self.a1(self.again(x))))

    return Tricky()
