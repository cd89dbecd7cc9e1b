"""Models that are gone take their memory with them."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import gc
import numpy as np, kerata
from kerata import layers

def size():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096, len(gc.get_objects())

x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
for cycle in range(200):
    model = kerata.Sequential([kerata.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=4, verbose=0)
    model.predict(x, verbose=0)
    del model
    if cycle % 10 == 9:  # models are circles, which Python would collect later, and more at once
        found = size()
    if cycle in (19, 199):
        print(*found)
"""


@pytest.mark.timeout(400)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's /proc")
def test_two_hundred_models_leave_nothing_behind(tmp_path):
    # Programs from disk: it is not the compiler that is tested here.
    environment = os.environ | {"KERATA_COMPILE_CACHE": str(tmp_path)}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, text=True, check=True, capture_output=True
    )
    (bytes_before, objects_before), (bytes_after, objects_after) = (
        map(int, line.split()) for line in done.stdout.splitlines()
    )
    assert objects_after - objects_before < 200  # less than two a model
    assert bytes_after - bytes_before < 5_000_000
