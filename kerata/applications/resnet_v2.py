"""ResNet, second version: normalization and activation come before each convolution."""

from kerata.applications.frame import variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode
from kerata.applications.resnet import resnet

ResNet50V2 = variant(resnet, "ResNet50V2", (3, 4, 6, 3), True)
ResNet101V2 = variant(resnet, "ResNet101V2", (3, 4, 23, 3), True)
ResNet152V2 = variant(resnet, "ResNet152V2", (3, 8, 36, 3), True)
preprocess_input = for_mode("tf", __name__)
