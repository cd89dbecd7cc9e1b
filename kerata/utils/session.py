"""The state of the session: automatic names, random state, caches."""

import gc

import jax

from kerata.engine import naming, policies, rng, symbolic


def clear_session(free_memory: bool = True) -> None:
    """Forget automatic names, the random state, the default dtype policy and cached shapes.

    Useful in a notebook or a loop that builds many models.

    Args:
        free_memory: whether to drop compiled programs and collect garbage as well.
    """
    naming.reset()
    rng.reset()
    policies.reset_dtype_policy()
    symbolic.forget_results()
    if free_memory:
        jax.clear_caches()
        gc.collect()
