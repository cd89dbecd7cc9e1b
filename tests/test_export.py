"""What kerata does not export, and what it says to use."""

import jax
import numpy as np
import pytest

import kerata


def model():
    return kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(2)])


def test_formats_of_other_frameworks_are_refused(tmp_path):
    with pytest.raises(NotImplementedError, match="format='onnx'"):
        model().export(tmp_path / "model", format="onnx")
    with pytest.raises(ValueError, match="`format` must be one of"):
        model().export(tmp_path / "model", format="onyx")
    with pytest.raises(NotImplementedError, match=r'model.save\("model.keras"\)'):
        kerata.export.ExportArchive()
    assert not list(tmp_path.iterdir())


def test_what_the_error_says_works():
    net = model()
    program = jax.export.export(jax.jit(net.predict_step))(jax.ShapeDtypeStruct((1, 4), "float32"))
    x = np.ones((1, 4), "float32")
    np.testing.assert_allclose(program.call(x), net(x), 1e-6)
    assert "dot_general" in program.mlir_module()


@pytest.mark.parametrize("name", ["tensorflow", "torch", "numpy", "openvino"])
def test_there_is_one_backend(name):
    kerata.config.set_backend("jax")
    with pytest.raises(ValueError, match="`backend` must be one of 'jax'"):
        kerata.config.set_backend(name)
    assert kerata.config.backend() == "jax" and not kerata.config.is_nnx_enabled()
