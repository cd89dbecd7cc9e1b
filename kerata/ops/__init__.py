"""Operations on tensors: plain functions over JAX that also take symbolic tensors and Variables.

The files divide them by meaning. The public names are those in `kerata.ops.numpy` and
`kerata.ops.nn`, and those that are listed here.
"""

from kerata.engine.registry import publish as _publish
from kerata.ops import (
    image as image,
    linalg as linalg,
    nn as nn,
    numpy as numpy,
    operators as _operators,
)
from kerata.ops.control_flow import (
    associative_scan as associative_scan,
    cond as cond,
    fori_loop as fori_loop,
    map as map,
    scan as scan,
    switch as switch,
    vectorized_map as vectorized_map,
    while_loop as while_loop,
)
from kerata.ops.core import (
    cast as cast,
    convert_to_numpy as convert_to_numpy,
    convert_to_tensor as convert_to_tensor,
    custom_gradient as custom_gradient,
    dtype as dtype,
    is_tensor as is_tensor,
    saturate_cast as saturate_cast,
    shape as shape,
)
from kerata.ops.einops import rearrange as rearrange
from kerata.ops.elementwise import (
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    rsqrt as rsqrt,
    stop_gradient as stop_gradient,
    view_as_complex as view_as_complex,
    view_as_real as view_as_real,
)
from kerata.ops.indexing import (
    in_top_k as in_top_k,
    scatter as scatter,
    scatter_update as scatter_update,
    segment_max as segment_max,
    segment_min as segment_min,
    segment_prod as segment_prod,
    segment_sum as segment_sum,
    slice as slice,
    slice_update as slice_update,
    top_k as top_k,
)
from kerata.ops.linalg import (
    cholesky as cholesky,
    cholesky_inverse as cholesky_inverse,
    det as det,
    eig as eig,
    eigh as eigh,
    inv as inv,
    jvp as jvp,
    logdet as logdet,
    lstsq as lstsq,
    lu_factor as lu_factor,
    matrix_rank as matrix_rank,
    norm as norm,
    pinv as pinv,
    qr as qr,
    solve as solve,
    solve_triangular as solve_triangular,
    svd as svd,
)
from kerata.ops.nn import *  # noqa: F403
from kerata.ops.numpy import *  # noqa: F403
from kerata.ops.products import cdist as cdist
from kerata.ops.reductions import logsumexp as logsumexp
from kerata.ops.shaping import unstack as unstack
from kerata.ops.signal import (
    extract_sequences as extract_sequences,
    fft as fft,
    fft2 as fft2,
    ifft2 as ifft2,
    irfft as irfft,
    istft as istft,
    rfft as rfft,
    stft as stft,
)

_publish(globals())
