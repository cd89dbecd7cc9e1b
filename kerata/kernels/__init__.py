"""Formulations that are fast on a given platform, with exact gradients.

Plain functions of arrays that every layer and op may call: which formulation runs is chosen from
the platform and the shapes when the call is traced (`platform.py`). Where a gradient is written by
hand, it is so for reverse mode, to any order; `using("lax")` gives forward mode (`jax.jvp`) too.
"""

from kerata.kernels.convolution import conv as conv, conv_transpose as conv_transpose
from kerata.kernels.depthwise import depthwise_conv as depthwise_conv
from kerata.kernels.dropout import dropout_mask as dropout_mask, random_bits as random_bits
from kerata.kernels.embedding import embedding_lookup as embedding_lookup
from kerata.kernels.losses import sparse_softmax_cross_entropy as sparse_softmax_cross_entropy
from kerata.kernels.matmul import dot as dot
from kerata.kernels.normalization import (
    batch_moments as batch_moments,
    layer_norm as layer_norm,
    rms_norm as rms_norm,
)
from kerata.kernels.platform import platform as platform, using as using
from kerata.kernels.pooling import avg_pool as avg_pool, max_pool as max_pool
