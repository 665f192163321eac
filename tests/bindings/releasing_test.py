"""What an iterator holds is deleted by another thread, so that nobody waits for it."""

import threading

import numpy as np

from tests.models import tf
from tf_lottery.bindings.tf_shared.data.feed import Batches
from tf_lottery.bindings.tf_shared.data.releasing import released_aside


class Resource:
    """Notes which thread deletes it."""

    def __init__(self, deleted):
        self.deleted = deleted

    def __del__(self):
        self.deleted.append(threading.current_thread())


class Held:
    def __init__(self, resource):
        self._iterator_resource = resource


def test_another_thread_deletes_what_an_iterator_holds():
    deleted: list[threading.Thread] = []
    held = Held(Resource(deleted))
    released_aside(held)
    assert not deleted
    del held
    for thread in threading.enumerate():
        if thread.name == "released":
            thread.join()
    assert [thread.name for thread in deleted] == ["released"]


def test_batches_are_released_aside_and_are_those_of_the_dataset(monkeypatch):
    released = []
    monkeypatch.setattr(
        "tf_lottery.bindings.tf_shared.data.releasing._release", released.append
    )
    batches = Batches(lambda step: tf.data.Dataset.range(step, 9))
    iterator = batches.open(4)
    assert [int(each) for each in iterator] == list(np.arange(4, 9))
    assert not released
    del iterator
    assert [len(held) for held in released] == [1]
