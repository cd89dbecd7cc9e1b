"""Distiller: a model that trains a student to imitate a teacher."""

import functools
import weakref

import jax

from kerata.distillation.losses import DistillationLoss
from kerata.engine import tree
from kerata.engine.errors import argument_error, probability
from kerata.metrics import Mean
from kerata.models import Functional, Model

# What layers of the student returned beside an output: it is found by that output, for as long as
# the output lives. Both may be traced, so neither can be kept with the model.
_features: dict[int, tuple] = {}


class Distiller(Model):
    """Trains a student on targets and, at the same time, on what a teacher makes of the inputs.

    The loss is `student_loss_weight` times the student's own, which `compile` is given, plus
    `1 - student_loss_weight` times the weighted sum of the distillation losses. The distiller's
    outputs are the student's.

    Args:
        teacher: a trained model. It is frozen.
        student: the model to train.
        distillation_losses: a `DistillationLoss`, or a list of them.
        distillation_loss_weights: list of a factor for each; 1.0 for all if None.
        student_loss_weight: weight in [0, 1] of the student's own loss.
        name: name of the model.
        **kwargs: arguments of `Model`.

    Raises:
        ValueError: if a model is none, the models do not go together, or a weight is wrong.

    Example:
        >>> teacher, student = (
        ...     kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(3)]) for _ in range(2)
        ... )
        >>> distiller = kerata.distillation.Distiller(
        ...     teacher, student, kerata.distillation.LogitsDistillation()
        ... )
        >>> distiller.compile(loss=kerata.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> history = distiller.fit(np.ones((8, 4)), np.zeros(8, "int32"), verbose=0)
        >>> sorted(history.history)
        ['distillation_loss', 'loss', 'student_loss', 'total_loss']
    """

    untracked = Model.untracked | {"_extractors"}

    def __init__(
        self,
        teacher,
        student,
        distillation_losses,
        distillation_loss_weights=None,
        student_loss_weight=0.5,
        name="distiller",
        **kwargs,
    ):
        for what, model in (("teacher", teacher), ("student", student)):
            if not isinstance(model, Model):
                raise argument_error(what, "be a model", model, type(self))
        if not isinstance(distillation_losses, (list, tuple)):
            distillation_losses = [distillation_losses]
        for loss in distillation_losses:
            if not isinstance(loss, DistillationLoss):
                must = "be a DistillationLoss, or a list of them"
                raise argument_error("distillation_losses", must, loss, type(self))
            loss.validate_model_compatibility(teacher, student)
        weights = distillation_loss_weights
        weights = [1.0] * len(distillation_losses) if weights is None else list(weights)
        if len(weights) != len(distillation_losses):
            must = f"have a factor for each of the {len(distillation_losses)} losses"
            raise argument_error("distillation_loss_weights", must, weights, type(self))
        _check_compatible(teacher, student)
        super().__init__(name=name, **kwargs)
        self.student_loss_weight = probability("student_loss_weight", student_loss_weight, self)
        teacher.trainable = False
        self.teacher, self.student = teacher, student
        self.distillation_losses = list(distillation_losses)
        self.distillation_loss_weights = weights
        self.student_loss_tracker = Mean(name="student_loss")
        self.distillation_loss_tracker = Mean(name="distillation_loss")
        self.total_loss_tracker = Mean(name="total_loss")
        self._extractors: dict[str, Functional] = {}

    def build(self, input_shape):
        for model in (self.teacher, self.student):
            if not model.built:
                model.build(input_shape)

    def compile(self, optimizer="adam", loss=None, metrics=None, **kwargs):
        """Set how the student is trained: see `Model.compile`.

        Raises:
            ValueError: if there is no loss, and the student's own loss has a weight.
        """
        if loss is None and self.student_loss_weight > 0:
            must = "be given: the student's own loss has a weight (student_loss_weight=0.0: none)"
            raise argument_error("loss", must, loss, self)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def get_compile_config(self):
        return super().get_compile_config()

    def call(self, inputs, training=None):
        """Return the student's outputs."""
        outputs, features = self._run("student", inputs, training)
        if features:
            first = tree.flatten(outputs)[0]
            # At exit, an output may outlive the names of this module.
            forget = functools.partial(_forget, _features, id(first))
            _features[id(first)] = weakref.ref(first, forget), features
        return outputs

    def _run(self, which, inputs, training) -> tuple:
        """Return the outputs of the student or teacher, and those of the layers to compare."""
        model = getattr(self, which)
        names = [getattr(loss, f"{which}_layer_name", None) for loss in self.distillation_losses]
        names = [name for name in names if name is not None]
        if not names:
            return model(inputs, training=training), {}
        if which not in self._extractors:
            self._extractors[which] = _extractor(model, names)
        features = self._extractors[which](inputs, training=training)
        outputs = features.pop("")
        return outputs, features

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the weighted sum of the student's loss and the distillation losses."""
        weight = self.student_loss_weight
        student_loss = distillation_loss = 0.0
        if weight > 0:
            student_loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if weight < 1:
            distillation_loss = self._distillation_loss(x, y_pred, training)
        total = weight * student_loss + (1 - weight) * distillation_loss
        self.student_loss_tracker.update_state(student_loss)
        self.distillation_loss_tracker.update_state(distillation_loss)
        self.total_loss_tracker.update_state(total)
        return total

    def _distillation_loss(self, x, y_pred, training):
        teacher = self._run("teacher", x, False)
        known = _features.get(id(tree.flatten(y_pred)[0]))
        if known is not None and known[0]() is tree.flatten(y_pred)[0]:
            student = y_pred, known[1]
        else:
            student = y_pred, self._run("student", x, training)[1]
        total = 0.0
        for loss, factor in zip(self.distillation_losses, self.distillation_loss_weights):
            found = [
                outputs if name is None else features[name]
                for (outputs, features), name in (
                    (teacher, getattr(loss, "teacher_layer_name", None)),
                    (student, getattr(loss, "student_layer_name", None)),
                )
            ]
            found[0] = jax.lax.stop_gradient(found[0])
            loss.validate_outputs(*found)
            total = total + factor * loss.compute_loss(*found)
        return total


def _forget(features: dict, key: int, _) -> None:
    features.pop(key, None)


def _extractor(model, names) -> Functional:
    """Return a model of the same layers that returns the outputs, under "", and those of layers."""
    graph = model._function_graph
    if graph is None:
        raise ValueError(
            f"{model._title()} must be functional, or Sequential and built, for its layers' "
            f"outputs to be compared.\nReceived: the layers {names}"
        )
    inside = {node.operation.name: node.output_structure for node in graph.nodes}
    outputs = {"": graph.output, **{name: inside[name] for name in names}}
    return Functional(graph.input, outputs, name=f"{model.name}_features")


def _check_compatible(teacher, student) -> None:
    """Check that two models, as far as they are built, take and return the same shapes."""
    graphs = teacher._function_graph, student._function_graph
    for what in ("inputs", "outputs") if all(graphs) else ():
        pair = [[x.shape for x in getattr(graph, what)] for graph in graphs]
        known = [[d for shape in shapes for d in (len(shape), *shape)] for shapes in pair]
        if len(known[0]) != len(known[1]) or any(
            m != n for m, n in zip(*known) if m is not None and n is not None
        ):
            raise ValueError(
                f"The {what} of teacher {teacher.name!r} and student {student.name!r} must have "
                f"the same shapes.\nReceived: {pair[0]} and {pair[1]}"
            )
