"""Architectures for images, with weights trained on ImageNet.

A model with a classifier for the 1,000 classes of ImageNet, and one that gives a vector for each
image, to begin with:

    model = kerata.applications.ResNet50()
    scores = model.predict(kerata.applications.resnet.preprocess_input(images))
    names = kerata.applications.resnet.decode_predictions(scores)

    features = kerata.applications.EfficientNetB0(include_top=False, pooling="avg")
"""

from kerata.applications import imagenet_utils as imagenet_utils, resnet50 as resnet50
from kerata.applications.convnext import (
    ConvNeXtBase as ConvNeXtBase,
    ConvNeXtLarge as ConvNeXtLarge,
    ConvNeXtSmall as ConvNeXtSmall,
    ConvNeXtTiny as ConvNeXtTiny,
    ConvNeXtXLarge as ConvNeXtXLarge,
)
from kerata.applications.densenet import (
    DenseNet121 as DenseNet121,
    DenseNet169 as DenseNet169,
    DenseNet201 as DenseNet201,
)
from kerata.applications.efficientnet import (
    EfficientNetB0 as EfficientNetB0,
    EfficientNetB1 as EfficientNetB1,
    EfficientNetB2 as EfficientNetB2,
    EfficientNetB3 as EfficientNetB3,
    EfficientNetB4 as EfficientNetB4,
    EfficientNetB5 as EfficientNetB5,
    EfficientNetB6 as EfficientNetB6,
    EfficientNetB7 as EfficientNetB7,
)
from kerata.applications.efficientnet_v2 import (
    EfficientNetV2B0 as EfficientNetV2B0,
    EfficientNetV2B1 as EfficientNetV2B1,
    EfficientNetV2B2 as EfficientNetV2B2,
    EfficientNetV2B3 as EfficientNetV2B3,
    EfficientNetV2L as EfficientNetV2L,
    EfficientNetV2M as EfficientNetV2M,
    EfficientNetV2S as EfficientNetV2S,
)
from kerata.applications.inception_resnet_v2 import InceptionResNetV2 as InceptionResNetV2
from kerata.applications.inception_v3 import InceptionV3 as InceptionV3
from kerata.applications.mobilenet import MobileNet as MobileNet
from kerata.applications.mobilenet_v2 import MobileNetV2 as MobileNetV2
from kerata.applications.mobilenet_v3 import (
    MobileNetV3Large as MobileNetV3Large,
    MobileNetV3Small as MobileNetV3Small,
)
from kerata.applications.nasnet import NASNetLarge as NASNetLarge, NASNetMobile as NASNetMobile
from kerata.applications.resnet import (
    ResNet50 as ResNet50,
    ResNet101 as ResNet101,
    ResNet152 as ResNet152,
)
from kerata.applications.resnet_v2 import (
    ResNet50V2 as ResNet50V2,
    ResNet101V2 as ResNet101V2,
    ResNet152V2 as ResNet152V2,
)
from kerata.applications.vgg16 import VGG16 as VGG16
from kerata.applications.vgg19 import VGG19 as VGG19
from kerata.applications.xception import Xception as Xception
from kerata.engine.configurable import publish

publish(globals())
