"""Sequences (public namespace `kerata.preprocessing.sequence`)."""

from kerata.utils.sequences import pad_sequences as pad_sequences
