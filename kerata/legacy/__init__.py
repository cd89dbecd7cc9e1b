"""What Keras 2 called otherwise (public namespace `kerata.legacy`)."""

from kerata.legacy import saving as saving
