"""How far a student is from its teacher."""

import jax
import jax.numpy as jnp

from kerata import losses
from kerata.engine import tree
from kerata.engine.configurable import Configurable
from kerata.engine.errors import argument_error


class DistillationLoss(Configurable):
    """Base of what compares a student with its teacher. Subclasses write `compute_loss`.

    A subclass with attributes `teacher_layer_name` and `student_layer_name` is given what these
    layers return, in place of the outputs of the models.
    """

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Return a scalar. Subclasses write this.

        Args:
            teacher_outputs: outputs of the teacher: a tensor, or a structure of them.
            student_outputs: outputs of the student.
            **kwargs: for subclasses.
        """
        raise NotImplementedError(f"{type(self).__name__} must have a `compute_loss` method.")

    def validate_outputs(self, teacher_outputs, student_outputs) -> None:
        """Check that outputs can be compared.

        Raises:
            ValueError: if their structures differ.
        """
        try:
            tree.assert_same_structure(teacher_outputs, student_outputs)
        except (ValueError, TypeError):
            shown = [tree.map_structure(jnp.shape, x) for x in (teacher_outputs, student_outputs)]
            raise ValueError(
                f"{type(self).__name__}: teacher and student must return the same structure.\n"
                f"Received: shapes {shown[0]} and {shown[1]}"
            ) from None

    def validate_model_compatibility(self, teacher, student) -> None:
        """Check that two models go together; raise ValueError if not."""


class _Compared(DistillationLoss):
    """Sums a loss, or one loss for each output."""

    def _keep(self, loss):
        self.loss = tree.map_structure(losses.get, loss)
        if not any(x is not None for x in tree.flatten(self.loss)):
            raise argument_error("loss", "have a loss for one output at least", loss, type(self))

    def validate_outputs(self, teacher_outputs, student_outputs):
        super().validate_outputs(teacher_outputs, student_outputs)
        outputs = tree.flatten(student_outputs)
        if tree.is_nested(self.loss) and len(tree.flatten(self.loss)) != len(outputs):
            raise ValueError(
                f"{type(self).__name__} needs one loss, or one for each of the {len(outputs)} "
                f"outputs.\nReceived: loss={self.loss!r}"
            )

    def _sum(self, teacher_outputs, student_outputs):
        outputs = tree.flatten(teacher_outputs), tree.flatten(student_outputs)
        functions = tree.flatten(self.loss)
        if not tree.is_nested(self.loss):
            functions *= len(outputs[0])
        terms = [
            self._compare(loss, teacher, student)
            for loss, teacher, student in zip(functions, *outputs, strict=True)
            if loss is not None
        ]
        return sum(terms[1:], terms[0])

    def _compare(self, loss, teacher, student):
        return jnp.mean(jnp.asarray(loss(teacher, student)))


class LogitsDistillation(_Compared):
    """Compares the softened predictions of two models (Hinton et al., 2015).

    Both models' logits are divided by a temperature; a loss compares the softmax of the results
    (one with `from_logits=True` gets the student's divided logits themselves). The sum is
    multiplied by the square of the temperature, which keeps its gradients as large.

    Args:
        temperature: positive number; a higher one makes softer predictions.
        loss: a loss or its name, for all outputs; or a structure like the outputs, with None for
            those that are left out.

    Raises:
        ValueError: if `temperature` is not positive, or there is no loss.

    Example:
        >>> loss = kerata.distillation.LogitsDistillation(temperature=2.0)
        >>> float(loss.compute_loss(np.ones((1, 3)), np.ones((1, 3))))
        0.0
    """

    def __init__(self, temperature=3.0, loss="kl_divergence"):
        if not (isinstance(temperature, (int, float)) and temperature > 0):
            raise argument_error("temperature", "be a positive number", temperature, type(self))
        self.temperature = temperature
        self._keep(loss)

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Return a scalar; see `DistillationLoss.compute_loss`."""
        divided = [
            tree.map_structure(lambda x: jnp.asarray(x) / self.temperature, outputs)
            for outputs in (teacher_outputs, student_outputs)
        ]
        return self._sum(*divided) * self.temperature**2

    def _compare(self, loss, teacher, student):
        if not getattr(loss, "from_logits", False):
            student = jax.nn.softmax(student)
        return super()._compare(loss, jax.nn.softmax(teacher), student)


class FeatureDistillation(_Compared):
    """Compares what two layers, or two models, return (Romero et al., 2015).

    Args:
        loss: a loss or its name, for all outputs; or a structure like the outputs, with None for
            those that are left out.
        teacher_layer_name: name of the teacher's layer; the teacher's output if None.
        student_layer_name: name of the student's layer; the student's output if None.

    Example:
        >>> loss = kerata.distillation.FeatureDistillation(loss="mse")
        >>> float(loss.compute_loss(np.ones((2, 3)), np.zeros((2, 3))))
        1.0
    """

    def __init__(self, loss="mse", teacher_layer_name=None, student_layer_name=None):
        self._keep(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher, student):
        for model, name in ((teacher, self.teacher_layer_name), (student, self.student_layer_name)):
            if name is not None:
                model.get_layer(name)

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Return a scalar; see `DistillationLoss.compute_loss`."""
        return self._sum(teacher_outputs, student_outputs)
