"""Parts of another search of the same plan are found, without reading weights."""

import dataclasses
import os
import shutil

import pytest

from tests.fakes import FakeTrainer
from tests.run_dir.refusing import fails
from tests.search.searching import PLAN, search
from tf_lottery.core.errors import TicketError
from tf_lottery.run_dir.names import TICKET
from tf_lottery.run_dir.run_dir import RunDir, load_history
from tf_lottery.search.find import chosen

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


def returned(path, trainer):
    search(path, trainer)
    chosen(RunDir(path).history()).save(path / TICKET)
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    path = tmp_path_factory.mktemp("both")
    # Of the same plan, with other initial weights: plan.json does not show it.
    other = FakeTrainer(PLAN, draw_as=lambda path, array: array + 1)
    one = returned(path / "one", FakeTrainer(PLAN))
    return one, returned(path / "other", other)


@pytest.fixture
def run(tmp_path, both):
    return shutil.copytree(both[0], tmp_path / "run")


@pytest.mark.parametrize("number", [0, 1])
def test_a_replicate_of_another_search_of_the_plan_is_found(run, both, number):
    shutil.rmtree(run / f"replicate_{number}")
    shutil.copytree(both[1] / f"replicate_{number}", run / f"replicate_{number}")
    fails(run, r"replicate_1/round_00/ticket.safetensors was written when")


def test_replicates_exchanged_before_a_ticket_was_returned_are_found(run, both):
    (run / TICKET).unlink()
    shutil.rmtree(run / "replicate_0")
    shutil.copytree(both[1] / "replicate_0", run / "replicate_0")
    fails(run, "one of the two replicates belongs to another search")


def test_the_replicate_that_was_removed_is_trained_again(run, both):
    shutil.rmtree(run / "replicate_1")
    trainer = FakeTrainer(PLAN)
    search(run, trainer)
    assert {replicate for replicate, _, _ in trainer.controls} == {1}
    assert not (run / TICKET).exists()  # its trainings were done again
    load_history(run)


def test_all_replicates_of_another_search_are_found_by_the_ticket(run, both):
    for number in range(2):
        shutil.rmtree(run / f"replicate_{number}")
        shutil.copytree(both[1] / f"replicate_{number}", run / f"replicate_{number}")
    fails(run, r"run/ticket.safetensors has other masks than round")


def test_a_ticket_of_another_search_with_equal_figures_is_found(run, both):
    shutil.copyfile(both[1] / TICKET, run / TICKET)
    fails(run, r"run/ticket\.safetensors has other masks than round 2")
    with pytest.raises(TicketError, match="remove it: the same call writes it again"):
        load_history(run)


def test_a_ticket_with_other_figures_is_found(run):
    ticket = chosen(load_history(run))
    rows = ({**ticket.rows[0], "val_accuracy": 0.95}, *ticket.rows[1:])
    dataclasses.replace(ticket, rows=rows).save(run / TICKET, overwrite=True)
    fails(run, "other figures of replicate 0, round 0")


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def directory(path):
    path.mkdir()


def loop(path):
    path.symlink_to(path)


def nothing(path):
    path.symlink_to("gone")


@pytest.mark.parametrize("kind", [pipe, device, directory, loop, nothing])
@pytest.mark.parametrize("where", [".", "replicate_0/round_02"])
def test_a_ticket_that_is_no_file_is_found(run, kind, where):
    path = run / where / TICKET
    path.unlink()
    kind(path)
    fails(run, r"regular file|symbolic links|link to nothing|ticket.safetensors is mi")


def test_no_weights_are_read_for_it(run, monkeypatch):
    from tf_lottery.core import archive

    read = []
    read_one = archive.Archive._read

    def noted(self, name, decode):
        read.append(name)
        return read_one(self, name, decode)

    monkeypatch.setattr(archive.Archive, "_read", noted)
    load_history(run)
    assert read
    assert all(name.startswith("masks/") for name in read)
