"""What the description of a model may name."""

import sys

import pytest

from tests.models import compiled, keras, tiny
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.rebuilding.rebuild import rebuild
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket

EVIL = "raise SystemExit('it ran')"


def ticket_of(module, name="Mine"):
    """A ticket of a model whose class is of a module."""
    model = compiled(tiny())
    described = dict(describe(model))
    described |= {"module": module, "class_name": name, "registered_name": name}
    state = {path: weight.numpy() for path, weight in named_weights(model).items()}
    return Ticket(Masks({}), state, architecture=described)


@pytest.mark.parametrize("module", ["evil_module", "os", "subprocess", "this"])
def test_a_ticket_has_no_module_imported(module, tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    with pytest.raises(TicketError, match=f"Received: the module '{module}'"):
        rebuild(ticket_of(module))
    assert set(sys.modules) == before


def test_one_that_is_trusted_may_have_it(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit, match="it ran"):
        rebuild(ticket_of("evil_module"), safe_mode=False)


class Mine(keras.Sequential):
    """A model of a class of its own."""


def test_models_of_modules_that_are_imported_and_objects_that_are_passed_are_used():
    assert type(rebuild(ticket_of(__name__))) is Mine
    found = rebuild(ticket_of("elsewhere"), custom_objects={"Mine": Mine})
    assert type(found) is Mine
    with keras.saving.custom_object_scope({"Mine": Mine}):
        assert type(rebuild(ticket_of("elsewhere"))) is Mine


def test_parts_of_a_model_may_name_no_module_either():
    ticket = ticket_of("keras", "Sequential")
    optimizer = ticket.architecture["compile_config"]["optimizer"]
    optimizer["module"] = "evil_module"
    with pytest.raises(TicketError, match="'evil_module'"):
        rebuild(ticket)
