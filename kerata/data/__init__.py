"""Data: from files, tables and arrays to batches (public namespace `kerata.data`)."""

from kerata.data.dataset import Dataset as Dataset
from kerata.data.elements import TensorSpec as TensorSpec
from kerata.data.iterating import DatasetIterator as DatasetIterator
from kerata.data.loaders import (
    audio_dataset_from_directory as audio_dataset_from_directory,
    image_dataset_from_directory as image_dataset_from_directory,
    text_dataset_from_directory as text_dataset_from_directory,
)
from kerata.data.sources import INFINITE as INFINITE, UNKNOWN as UNKNOWN
from kerata.data.splitting import split_dataset as split_dataset
from kerata.data.steps import AUTOTUNE as AUTOTUNE
from kerata.data.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array
