"""MNIST is the original, split as in the paper, in an order that a seed decides."""

import functools
import gzip
import importlib
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.zoo import data

ARCHIVES = Path(__file__).parents[2] / "recipes" / "data" / "mnist"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tensorflow_datasets")


@pytest.fixture(scope="session")
def make(data_dir):
    return functools.partial(data.mnist, archives=ARCHIVES, data_dir=data_dir)


@pytest.fixture(scope="session")
def mnist(make):
    def request(self, method, url, **_):
        raise AssertionError(f"MNIST is in the repository, and {url} was asked for")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "request", request)
        return make()


@pytest.fixture(scope="session")
def in_order(mnist, data_dir):
    train = tfds.load("mnist", split="train", data_dir=data_dir, batch_size=-1)
    return train["image"].numpy(), train["label"].numpy()


def arrays(dataset):
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def labels(dataset, batches=20):
    return np.concatenate([y for _, y in dataset.take(batches).as_numpy_iterator()])


def pixels(images):
    return np.rint(images * np.float32(255)).astype(np.uint8)


def multiset(images):
    return sorted(image.tobytes() for image in images)


def original(name):
    with gzip.open(ARCHIVES / f"{name}-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)


@pytest.mark.slow
def test_the_splits_have_the_papers_sizes(mnist):
    sizes = {
        name: sum(len(y) for _, y in getattr(mnist, name).as_numpy_iterator())
        for name in ("train", "validation", "test")
    }
    assert sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}


@pytest.mark.slow
def test_train_and_validation_are_the_60000_originals_and_do_not_overlap(mnist):
    train = multiset(pixels(arrays(mnist.train)[0]))
    validation = multiset(pixels(arrays(mnist.validation)[0]))
    assert not set(train) & set(validation)
    assert sorted(train + validation) == multiset(original("train-images"))


@pytest.mark.slow
def test_test_is_the_10000_originals(mnist):
    found = multiset(pixels(arrays(mnist.test)[0]))
    assert found == multiset(original("t10k-images"))


@pytest.mark.slow
def test_validation_is_the_last_5000_in_the_order_of_tfds(mnist, in_order):
    images, labels = arrays(mnist.validation)
    np.testing.assert_array_equal(pixels(images), in_order[0][55_000:])
    np.testing.assert_array_equal(labels, in_order[1][55_000:])


@pytest.mark.slow
def test_images_are_floats_from_0_to_1_and_labels_go_with_them(mnist):
    for dataset in (mnist.train, mnist.validation, mnist.test):
        image, label = dataset.element_spec
        assert image.shape[1:] == (28, 28, 1) and image.dtype == tf.float32
        assert label.dtype == tf.int64
        images, _ = next(iter(dataset))
        assert float(tf.reduce_min(images)) == 0 and float(tf.reduce_max(images)) == 1


@pytest.mark.slow
def test_shuffling_keeps_each_label_with_its_image(make):
    sums = []
    for seed in (0, 1):
        images, labels = arrays(make(seed=seed).train)
        sums.append([images[labels == k].sum(dtype=np.float64) for k in range(10)])
    np.testing.assert_allclose(*sums)


@pytest.mark.slow
def test_equal_seeds_give_equal_orders_pass_by_pass(make):
    one, two = (make(seed=3).train for _ in range(2))
    for _ in range(2):
        for (x, y), (other_x, other_y) in zip(one.take(50), two.take(50), strict=True):
            np.testing.assert_array_equal(x, other_x)
            np.testing.assert_array_equal(y, other_y)


@pytest.mark.slow
def test_an_iterator_per_pass_brings_another_dataset_to_the_same_pass(make):
    one, two = (make(seed=3).train for _ in range(2))
    first = labels(one)
    iter(two)
    second = labels(one)
    assert (first != second).any()
    np.testing.assert_array_equal(labels(two), second)


@pytest.mark.slow
def test_different_seeds_give_different_orders(make):
    one, two = (make(seed=seed).train for seed in (0, 1))
    assert (labels(one) != labels(two)).any()


@pytest.mark.slow
def test_a_pass_is_shuffled_as_a_whole(mnist, in_order):
    positions = {image.tobytes(): at for at, image in enumerate(in_order[0])}
    images, _ = arrays(mnist.train.take(20))
    drawn = [positions[image] for image in multiset(pixels(images))]
    assert abs(np.mean(drawn) - 27_500) < 5 * 55_000 / np.sqrt(12 * len(drawn))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [60, 128])
def test_batches_have_the_size_asked_for_and_the_last_is_the_rest(make, batch_size):
    train = make(batch_size=batch_size).train
    sizes = [len(y) for _, y in train.as_numpy_iterator()]
    assert set(sizes[:-1]) == {batch_size}
    assert sizes[-1] == 55_000 % batch_size


@pytest.mark.slow
def test_once_prepared_the_archives_are_not_needed(mnist, data_dir, tmp_path):
    test = data.load("mnist", "test[:5]", archives=tmp_path, data_dir=data_dir)
    assert len(test) == 5


@pytest.mark.slow
def test_load_takes_the_arguments_of_tfds_load(mnist, data_dir):
    test = data.load("mnist", "test[:5]", data_dir=data_dir, as_supervised=True)
    assert [len(example) for example in test] == [2] * 5


def test_fashion_mnist_loads_where_it_is_prepared():
    builder = tfds.builder("fashion_mnist")
    if not builder.data_path.exists():
        pytest.skip("Fashion-MNIST is not prepared in the default data directory.")
    assert len(list(data.load("fashion_mnist", "test[:5]"))) == 5


def test_the_tools_read_the_same_images_without_tensorflow_datasets(mnist, in_order):
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ARCHIVES.parents[2] / "tools")
        read = importlib.import_module("_mnist").mnist()
    images, numbers = in_order
    for part, wanted in (("train", slice(55_000)), ("validation", slice(55_000, None))):
        x, y = getattr(read, part)
        np.testing.assert_array_equal(pixels(x), images[wanted])
        np.testing.assert_array_equal(y, numbers[wanted])
    x, y = arrays(mnist.test)
    np.testing.assert_array_equal(read.test[0], x)
    np.testing.assert_array_equal(read.test[1], y)
