"""Layers: what models are made of."""

from kerata.engine.input_spec import InputSpec as InputSpec
from kerata.engine.registry import publish
from kerata.layers.activation import (
    ELU as ELU,
    Activation as Activation,
    LeakyReLU as LeakyReLU,
    PReLU as PReLU,
    ReLU as ReLU,
    Softmax as Softmax,
)
from kerata.layers.attention import (
    AdditiveAttention as AdditiveAttention,
    Attention as Attention,
)
from kerata.layers.convolution import (
    Conv1D as Conv1D,
    Conv1D as Convolution1D,
    Conv1DTranspose as Conv1DTranspose,
    Conv1DTranspose as Convolution1DTranspose,
    Conv2D as Conv2D,
    Conv2D as Convolution2D,
    Conv2DTranspose as Conv2DTranspose,
    Conv2DTranspose as Convolution2DTranspose,
    Conv3D as Conv3D,
    Conv3D as Convolution3D,
    Conv3DTranspose as Conv3DTranspose,
    Conv3DTranspose as Convolution3DTranspose,
    DepthwiseConv1D as DepthwiseConv1D,
    DepthwiseConv2D as DepthwiseConv2D,
    SeparableConv1D as SeparableConv1D,
    SeparableConv1D as SeparableConvolution1D,
    SeparableConv2D as SeparableConv2D,
    SeparableConv2D as SeparableConvolution2D,
)
from kerata.layers.core import (
    Dense as Dense,
    EinsumDense as EinsumDense,
    Identity as Identity,
    Lambda as Lambda,
    Masking as Masking,
)
from kerata.layers.embedding import (
    Embedding as Embedding,
    ReversibleEmbedding as ReversibleEmbedding,
)
from kerata.layers.input_layer import Input as Input, InputLayer as InputLayer
from kerata.layers.jax_layer import (
    FlaxLayer as FlaxLayer,
    JaxLayer as JaxLayer,
    TFSMLayer as TFSMLayer,
    TorchModuleWrapper as TorchModuleWrapper,
)
from kerata.layers.layer import Layer as Layer
from kerata.layers.merging import (
    Add as Add,
    Average as Average,
    Concatenate as Concatenate,
    Dot as Dot,
    Maximum as Maximum,
    Minimum as Minimum,
    Multiply as Multiply,
    Subtract as Subtract,
    add as add,
    average as average,
    concatenate as concatenate,
    dot as dot,
    maximum as maximum,
    minimum as minimum,
    multiply as multiply,
    subtract as subtract,
)
from kerata.layers.multi_head_attention import (
    GroupedQueryAttention as GroupQueryAttention,
    MultiHeadAttention as MultiHeadAttention,
)
from kerata.layers.normalization import (
    BatchNormalization as BatchNormalization,
    GroupNormalization as GroupNormalization,
    LayerNormalization as LayerNormalization,
    RMSNormalization as RMSNormalization,
    UnitNormalization as UnitNormalization,
)
from kerata.layers.pooling import (
    AdaptiveAveragePooling1D as AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D as AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D as AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D as AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D as AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D as AdaptiveMaxPooling3D,
    AveragePooling1D as AveragePooling1D,
    AveragePooling1D as AvgPool1D,
    AveragePooling2D as AveragePooling2D,
    AveragePooling2D as AvgPool2D,
    AveragePooling3D as AveragePooling3D,
    AveragePooling3D as AvgPool3D,
    GlobalAveragePooling1D as GlobalAveragePooling1D,
    GlobalAveragePooling1D as GlobalAvgPool1D,
    GlobalAveragePooling2D as GlobalAveragePooling2D,
    GlobalAveragePooling2D as GlobalAvgPool2D,
    GlobalAveragePooling3D as GlobalAveragePooling3D,
    GlobalAveragePooling3D as GlobalAvgPool3D,
    GlobalMaxPooling1D as GlobalMaxPool1D,
    GlobalMaxPooling1D as GlobalMaxPooling1D,
    GlobalMaxPooling2D as GlobalMaxPool2D,
    GlobalMaxPooling2D as GlobalMaxPooling2D,
    GlobalMaxPooling3D as GlobalMaxPool3D,
    GlobalMaxPooling3D as GlobalMaxPooling3D,
    MaxPooling1D as MaxPool1D,
    MaxPooling1D as MaxPooling1D,
    MaxPooling2D as MaxPool2D,
    MaxPooling2D as MaxPooling2D,
    MaxPooling3D as MaxPool3D,
    MaxPooling3D as MaxPooling3D,
)
from kerata.layers.preprocessing.audio import (
    MelSpectrogram as MelSpectrogram,
    STFTSpectrogram as STFTSpectrogram,
)
from kerata.layers.preprocessing.categorical import (
    CategoryEncoding as CategoryEncoding,
    Discretization as Discretization,
)
from kerata.layers.preprocessing.hashing import (
    HashedCrossing as HashedCrossing,
    Hashing as Hashing,
)
from kerata.layers.preprocessing.image.boxes import MaxNumBoundingBoxes as MaxNumBoundingBoxes
from kerata.layers.preprocessing.image.colour import (
    RandomBrightness as RandomBrightness,
    RandomColorDegeneration as RandomColorDegeneration,
    RandomContrast as RandomContrast,
    RandomGrayscale as RandomGrayscale,
    RandomHue as RandomHue,
    RandomInvert as RandomInvert,
    RandomPosterization as RandomPosterization,
    RandomSaturation as RandomSaturation,
    Solarization as Solarization,
)
from kerata.layers.preprocessing.image.composed import (
    AugMix as AugMix,
    Pipeline as Pipeline,
    RandAugment as RandAugment,
    RandomColorJitter as RandomColorJitter,
)
from kerata.layers.preprocessing.image.cropping import (
    CenterCrop as CenterCrop,
    RandomCrop as RandomCrop,
    Resizing as Resizing,
)
from kerata.layers.preprocessing.image.filters import (
    RandomGaussianBlur as RandomGaussianBlur,
    RandomSharpness as RandomSharpness,
)
from kerata.layers.preprocessing.image.geometry import (
    RandomElasticTransform as RandomElasticTransform,
    RandomFlip as RandomFlip,
    RandomPerspective as RandomPerspective,
    RandomRotation as RandomRotation,
    RandomShear as RandomShear,
    RandomTranslation as RandomTranslation,
    RandomZoom as RandomZoom,
)
from kerata.layers.preprocessing.image.histogram import (
    AutoContrast as AutoContrast,
    ContrastLimitedAdaptiveHistogramEqualization as ContrastLimitedAdaptiveHistogramEqualization,
    Equalization as Equalization,
)
from kerata.layers.preprocessing.image.mixing import (
    CutMix as CutMix,
    MixUp as MixUp,
    RandomErasing as RandomErasing,
)
from kerata.layers.preprocessing.lookup import (
    IntegerLookup as IntegerLookup,
    StringLookup as StringLookup,
)
from kerata.layers.preprocessing.numerical import (
    Normalization as Normalization,
    Rescaling as Rescaling,
)
from kerata.layers.preprocessing.text import TextVectorization as TextVectorization
from kerata.layers.recurrent import GRU as GRU, LSTM as LSTM, RNN as RNN, SimpleRNN as SimpleRNN
from kerata.layers.recurrent_cells import (
    GRUCell as GRUCell,
    LSTMCell as LSTMCell,
    SimpleRNNCell as SimpleRNNCell,
    StackedRNNCells as StackedRNNCells,
)
from kerata.layers.recurrent_convolution import (
    ConvLSTM1D as ConvLSTM1D,
    ConvLSTM2D as ConvLSTM2D,
    ConvLSTM3D as ConvLSTM3D,
)
from kerata.layers.regularization import (
    ActivityRegularization as ActivityRegularization,
    AlphaDropout as AlphaDropout,
    Dropout as Dropout,
    GaussianDropout as GaussianDropout,
    GaussianNoise as GaussianNoise,
    SpatialDropout1D as SpatialDropout1D,
    SpatialDropout2D as SpatialDropout2D,
    SpatialDropout3D as SpatialDropout3D,
)
from kerata.layers.reshaping import (
    Cropping1D as Cropping1D,
    Cropping2D as Cropping2D,
    Cropping3D as Cropping3D,
    Flatten as Flatten,
    Permute as Permute,
    RepeatVector as RepeatVector,
    Reshape as Reshape,
    UpSampling1D as UpSampling1D,
    UpSampling2D as UpSampling2D,
    UpSampling3D as UpSampling3D,
    ZeroPadding1D as ZeroPadding1D,
    ZeroPadding2D as ZeroPadding2D,
    ZeroPadding3D as ZeroPadding3D,
)
from kerata.layers.sequences import (
    Bidirectional as Bidirectional,
    TimeDistributed as TimeDistributed,
)
from kerata.layers.serialization import deserialize as deserialize, serialize as serialize
from kerata.layers.wrappers import (
    SpectralNormalization as SpectralNormalization,
    Wrapper as Wrapper,
)

publish(globals())
