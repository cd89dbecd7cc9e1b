"""3x3 matrices that move the points of a plane: affine and projective transformations."""

import jax.numpy as jnp


def affine_matrices(linear, center=(0.0, 0.0), shift=(0.0, 0.0)):
    """Return the matrices that apply `linear` around a point, and then shift.

    Args:
        linear: `((a, b), (c, d))`: `(x, y)` becomes `(a x + b y, c x + d y)`; numbers, or tensors
            of shape `(batch,)`, as all the others.
        center: `(x, y)` of the point that stays.
        shift: `(x, y)` to add.

    Returns:
        A tensor of shape `(batch, 3, 3)`.
    """
    (a, b), (c, d) = linear
    (x, y), (right, down) = center, shift
    rows = (a, b, x + right - a * x - b * y, c, d, y + down - c * x - d * y, 0, 0, 1)
    entries = jnp.broadcast_arrays(*(jnp.atleast_1d(jnp.asarray(e, "float32")) for e in rows))
    return jnp.stack(entries, axis=-1).reshape(-1, 3, 3)


def homography(source, target):
    """Return the matrices `(batch, 3, 3)` that send four points to four others.

    Args:
        source: `(batch, 4, 2)`: `(x, y)` of each point.
        target: where they go, likewise.
    """
    x, y = source[..., 0], source[..., 1]
    u, v = target[..., 0], target[..., 1]
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    equations = jnp.concatenate(
        [
            jnp.stack([x, y, one, zero, zero, zero, -x * u, -y * u], axis=-1),
            jnp.stack([zero, zero, zero, x, y, one, -x * v, -y * v], axis=-1),
        ],
        axis=-2,
    )
    found = jnp.linalg.solve(equations, jnp.concatenate([u, v], axis=-1)[..., None])[..., 0]
    return jnp.concatenate([found, jnp.ones_like(found[:, :1])], axis=1).reshape(-1, 3, 3)


def move_points(points, matrices):
    """Return points `(..., n, 2)` moved by matrices `(..., 3, 3)`."""
    x, y = points[..., 0], points[..., 1]
    # Written out: a matrix product may drop digits that places in pixels need.
    u, v, scale = (
        matrices[..., None, row, 0] * x
        + matrices[..., None, row, 1] * y
        + matrices[..., None, row, 2]
        for row in range(3)
    )
    return jnp.stack([u / scale, v / scale], axis=-1)
