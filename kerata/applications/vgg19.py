"""VGG19: as VGG16, with three convolutions more."""

from kerata.applications.frame import variant
from kerata.applications.vgg16 import (
    decode_predictions as decode_predictions,
    preprocess_input as preprocess_input,
    vgg,
)

VGG19 = variant(vgg, "VGG19", (2, 2, 4, 4, 4))
