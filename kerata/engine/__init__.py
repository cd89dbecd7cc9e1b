"""JAX made stateful: variables, transformations, symbolic tensors. Knows nothing of layers."""

from kerata.engine import process as _process

_process.tune()
_process.cache_programs()
