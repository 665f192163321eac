"""What a file of arrays holds in the tests of `io`, and forgeries of such files.

The format is written here once more, by its public description.
"""

import hashlib
import json

import ml_dtypes
import numpy as np

from tf_lottery.core.masks import Masks

MASKS = Masks({"k": np.arange(24).reshape(4, 6) % 3 == 0})
GROUPS = {
    "state": {
        "k": np.where(MASKS["k"], np.arange(24, dtype="f4").reshape(4, 6), 0),
        "bias": np.float32([0.5, -1.5, np.nan]),
        "half": np.array([1.5, 2.5, -0.0], ml_dtypes.bfloat16),
        "slots": np.broadcast_to(np.float32(0.25), (3, 5)),
        "optimizer:iterations": np.array(7),
    },
    "flags": {"seen": np.array([True, False, True])},
}


def parts(path):
    """The header of a file, what it says of us, and the bytes of each array."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    told = json.loads(header.pop("__metadata__")["tf_lottery"])
    offsets = {name: tensor["data_offsets"] for name, tensor in header.items()}
    return header, told, {n: data[start:stop] for n, (start, stop) in offsets.items()}


def span(path, name):
    """Where the bytes of an array are in the file."""
    header, _, _ = parts(path)
    begin = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    return [begin + offset for offset in header[name]["data_offsets"]]


def forge(path, told=None, data=None, tensors=None):
    """Rewrites a file with other values, and with digests that fit them.

    Args:
        told: A function of what the header says of us.
        data: Other bytes of arrays; None removes the array.
        tensors: A function of the types, shapes and offsets.
    """
    header, content, arrays = parts(path)
    arrays = {n: a for n, a in {**arrays, **(data or {})}.items() if a is not None}
    end, found = 0, {}
    for name, array in arrays.items():
        found[name] = {**header[name], "data_offsets": [end, end + len(array)]}
        end += len(array)
    content = told(content) if told else content
    found = tensors(found) if tensors else found
    write(path, found, json.dumps(content), b"".join(arrays.values()))


def write(path, tensors, told, data=b""):
    """A file whose header has the right digest."""
    blank = {"sha256": "0" * 64, "tf_lottery": told}
    text = json.dumps({"__metadata__": blank, **tensors}).encode()
    digest = hashlib.sha256(text).hexdigest().encode()
    text = text.replace(b"0" * 64, digest, 1)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def with_entry(name, position, value):
    """A function for `forge`: one value of what is said of an array is another."""

    def told(content):
        entry = list(content["arrays"][name])
        entry[position] = value
        return {**content, "arrays": {**content["arrays"], name: entry}}

    return told


def with_digest(name, stored):
    """A function for `forge`: the digest of an array is that of these bytes."""
    return with_entry(name, 3, hashlib.sha256(stored).hexdigest())
