"""MNIST from the archives of the recipes, read by NumPy alone, split as in the zoo.

The zoo validates on the last 5,000 training images in the order of
tensorflow-datasets, which sorts images by the MD5 of the split's name and the image's
number. So both give the same images, in the same places.
"""

import gzip
import hashlib
from pathlib import Path

import numpy as np

from tf_lottery import Data

ARCHIVES = Path(__file__).parents[1] / "recipes" / "data" / "mnist"
VALIDATION = 5_000  # images


def mnist() -> Data:
    """55,000 images to train on, 5,000 to validate, 10,000 to test, as arrays.

    Images are (n, 28, 28, 1) floats from 0 to 1.
    """
    images, labels = _part("train")
    fitted, validated = slice(None, -VALIDATION), slice(-VALIDATION, None)
    return Data(
        (images[fitted], labels[fitted]),
        (images[validated], labels[validated]),
        _part("test", "t10k"),
    )


def _part(name: str, stem: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    stem = stem or name
    pixels = _bytes(f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    labels = _bytes(f"{stem}-labels-idx1-ubyte.gz", 8)
    keys = [hashlib.md5(f"{name}{n}".encode()).digest() for n in range(len(labels))]
    order = sorted(range(len(labels)), key=keys.__getitem__)
    return pixels[order] / np.float32(255), labels[order].astype(np.int64)


def _bytes(name: str, header: int) -> np.ndarray:
    with gzip.open(ARCHIVES / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
