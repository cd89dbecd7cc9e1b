"""Handwritten digits, 8x8 pixels: small, real, and part of scikit-learn (nothing is downloaded)."""

import numpy as np


def load_data(test_split=0.2, seed=113):
    """Return the 1,797 digits, split into a training and a test part.

    The split is stratified: each class gives the same share of its images to the test part. It
    depends on `seed` alone.

    Args:
        test_split: share of each class that goes to the test part, in [0, 1).
        seed: integer that decides which images those are.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images, `(samples, 8, 8)`, uint8 with ink from 0
        to 16; and labels, `(samples,)`, uint8 from 0 to 9.

    Raises:
        ImportError: if scikit-learn is not installed.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = kerata.datasets.digits.load_data()
        >>> x_train.shape, x_test.shape
        ((1438, 8, 8), (359, 8, 8))

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998; scikit-learn carries its test set.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"`test_split` must lie in [0, 1). Received: test_split={test_split}")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "The digits come with scikit-learn, which is not installed. "
            "Install it with: pip install 'kerata[datasets]'"
        ) from error
    images, labels = load_digits(return_X_y=True)
    images, labels = images.reshape(-1, 8, 8).astype("uint8"), labels.astype("uint8")
    train, test = stratified_split(labels, test_split, seed)
    return (images[train], labels[train]), (images[test], labels[test])


def stratified_split(labels, share, seed):
    """Return the sorted indices of the larger and the smaller part of a stratified split.

    Args:
        labels: class of each sample, `(samples,)`.
        share: share of each class that goes to the second part, in [0, 1).
        seed: integer that decides which samples those are.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for each in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == each))
        chosen[members[: round(share * len(members))]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
