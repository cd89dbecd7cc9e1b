"""The README's examples run as they stand."""

import re
from pathlib import Path

import numpy as np

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model_example, step_example = EXAMPLES
    assert len(model_example.strip().splitlines()) == 15
    names = {}
    exec(model_example, names)
    kerata, model, y = (names[name] for name in ("kerata", "model", "y_test"))
    x = names["x_test"][..., None]
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy > 0.94
    reloaded = kerata.models.load_model("digits.keras")
    np.testing.assert_array_equal(reloaded.predict(x, verbose=0), model.predict(x, verbose=0))

    exec(step_example, names)
    batch = x.astype("float32"), y
    losses = [float(names["step"](*batch)) for _ in range(5)]
    assert losses[-1] < losses[0]
