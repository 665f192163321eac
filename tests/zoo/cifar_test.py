"""CIFAR-10's split and augmentation, on made images, and on the real ones."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.fakes import Killed
from tests.models import compiled
from tests.training.trainings import Kill, assert_same_rounds
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_shared.data.repeatable import is_repeatable, shuffles
from tf_lottery.zoo import data

IMAGES = 160
PLACES = 9  # that a window of 32 pixels has in 40


def made(images, seed):
    """Images whose every pixel tells which image it is of, and where in it."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(1, 256, (images, 32, 32, 3), np.uint8)
    return tf.constant(pixels), tf.constant(draw.integers(0, 10, images))


EXAMPLES = made(IMAGES, 0), made(50, 1), made(50, 2)


@pytest.fixture
def cifar(monkeypatch):
    """CIFAR-10 of a seed, of made images."""
    monkeypatch.setattr(data, "load", lambda *names, **options: EXAMPLES)
    data._examples.cache_clear()
    yield lambda seed=0, augment=True: data.cifar10(32, seed, augment)
    data._examples.cache_clear()


def arrays(dataset):
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    pixels = np.rint(np.concatenate(images) * np.float32(255)).astype(np.uint8)
    return pixels, np.concatenate(labels)


def windows(image):
    """Every window of an image with four black pixels around it, and those flipped."""
    padded = np.pad(image, [(4, 4), (4, 4), (0, 0)])
    for top in range(PLACES):
        for left in range(PLACES):
            window = padded[top : top + 32, left : left + 32]
            yield (top, left, False), window
            yield (top, left, True), window[:, ::-1]


def test_one_number_an_image_gives_every_window_of_it_once():
    images = EXAMPLES[0][0][:1]
    padded = tf.pad(images, [(0, 0), (4, 4), (4, 4), (0, 0)])
    numbers = tf.range(2 * PLACES**2, dtype=tf.int64)
    found = data._cropped(tf.repeat(padded, len(numbers), axis=0), numbers).numpy()
    expected = {window.tobytes() for _, window in windows(images[0].numpy())}
    assert len(expected) == 2 * PLACES**2
    assert {window.tobytes() for window in found} == expected


def test_each_image_of_a_pass_is_a_window_of_one_with_its_label(cifar):
    images, labels = arrays(cifar().train)
    originals, known = (part.numpy() for part in EXAMPLES[0])
    places = {
        window.tobytes(): (index, *place)
        for index, original in enumerate(originals)
        for place, window in windows(original)
    }
    seen = [places[image.tobytes()] for image in images]
    assert sorted(index for index, *_ in seen) == list(range(IMAGES))
    assert [known[index] for index, *_ in seen] == list(labels)
    flipped = sum(place[3] for place in seen)
    assert abs(flipped - IMAGES / 2) < 4 * np.sqrt(IMAGES) / 2
    tops, lefts = ({place[at] for place in seen} for at in (1, 2))
    assert tops == lefts == set(range(PLACES))


def test_the_windows_of_an_image_are_drawn_anew_in_each_pass(cifar):
    """Not as the order of the pass has it, which would favour some of each image."""
    passes = 60
    train, counts = cifar(5).train, np.zeros((IMAGES, 2))
    windows_of = {}
    for index, original in enumerate(EXAMPLES[0][0].numpy()):
        for (top, left, flipped), window in windows(original):
            windows_of[window.tobytes()] = index, (top + left + flipped) % 2
    for _ in range(passes):
        for image in arrays(train)[0]:
            index, parity = windows_of[image.tobytes()]
            counts[index, parity] += 1
    odd = counts[:, 1] / passes
    binomial = np.sqrt(0.25 / passes)
    assert odd.std() == pytest.approx(binomial, rel=0.2)


def test_evaluation_data_are_the_images_in_order(cifar):
    for dataset, (images, labels) in zip(
        (cifar().validation, cifar().test), EXAMPLES[1:], strict=True
    ):
        found = arrays(dataset)
        np.testing.assert_array_equal(found[0], images)
        np.testing.assert_array_equal(found[1], labels)


def test_without_augmentation_the_images_are_whole(cifar):
    images, _ = arrays(cifar(augment=False).train)
    originals = {image.tobytes() for image in EXAMPLES[0][0].numpy()}
    assert {image.tobytes() for image in images} == originals


def test_equal_seeds_augment_equally_pass_by_pass_and_others_do_not(cifar):
    one, two, other = cifar(3).train, cifar(3).train, cifar(4).train
    passes = []
    for _ in range(2):
        first, second = arrays(one), arrays(two)
        for mine, theirs in zip(first, second, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        passes.append(first[0])
    assert {i.tobytes() for i in passes[0]} != {i.tobytes() for i in passes[1]}
    assert (arrays(other)[0] != passes[0]).any()


def test_an_iterator_per_pass_brings_another_dataset_to_the_same_pass(cifar):
    one, two = cifar(3).train, cifar(3).train
    arrays(one)
    second = arrays(one)[0]
    iter(two)
    np.testing.assert_array_equal(arrays(two)[0], second)


def test_the_order_is_known_to_repeat_and_to_change_from_pass_to_pass(cifar):
    assert is_repeatable(cifar().train, is_made_again=True)
    assert shuffles(cifar().train)


NAMES = {
    "cifar10": (45_000, (32, 32, 3), data.cifar10),
    "fashion_mnist": (55_000, (28, 28, 1), data.fashion_mnist),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_real_ones_are_split_as_in_the_paper(name):
    if not tfds.builder(name).data_path.exists():
        pytest.skip(f"{name} is not prepared in the default data directory.")
    size, shape, make = NAMES[name]
    found = make(seed=0)
    parts = {n: arrays(getattr(found, n)) for n in ("train", "validation", "test")}
    sizes = {n: len(labels) for n, (_, labels) in parts.items()}
    assert sizes == {"train": size, "validation": 5_000, "test": 10_000}
    assert all(images.shape[1:] == shape for images, _ in parts.values())
    for _, labels in parts.values():
        assert min(np.bincount(labels)) > 0.08 * len(labels)
    images, labels = tfds.load(name, split="train", batch_size=-1, as_supervised=True)
    np.testing.assert_array_equal(parts["validation"][0], images[-5_000:])
    ours = sorted(image.tobytes() for image in parts["train"][0])
    assert ours == sorted(image.tobytes() for image in images[:-5_000].numpy())
    sums = [(labels.numpy()[:-5_000] == k).sum() for k in range(10)]
    np.testing.assert_array_equal(np.bincount(parts["train"][1]), sums)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [(0, "on_epoch_begin", 1), (1, "on_train_begin")])
def test_a_search_on_augmented_images_that_was_killed_goes_on_bit_for_bit(
    cifar, tmp_path, always_written, kill
):
    def search(name, *killed):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.layers.AveragePooling2D(8, input_shape=(32, 32, 3), name="small"),
                keras.layers.Flatten(name="flat"),
                keras.layers.Dense(10, name="logits"),
            ]
        )

        def callbacks(round, replicate, control):
            return [Kill(*killed[1:])] if killed and round == killed[0] else []

        return find_ticket(
            compiled(model),
            cifar,
            1,
            epochs=3,
            run_dir=tmp_path / name,
            callbacks=callbacks,
            verbose=0,
        )

    whole = search("whole")
    with pytest.raises(Killed):
        search("killed", *kill)
    assert_same_rounds(search("killed").history, whole.history)
