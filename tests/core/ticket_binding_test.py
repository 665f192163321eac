"""A ticket names its binding as data, and a file cannot choose other code."""

import numpy as np
import pytest

from tf_lottery import bindings
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket


@pytest.mark.parametrize("architecture", [None, {}, {"binding": "tf_keras"}])
def test_tickets_that_name_no_binding_are_of_tf_keras(architecture):
    assert bindings.of_architecture(architecture).NAME == "tf_keras"


@pytest.mark.parametrize("binding", ["keras4", "..os", "tf_keras.live", None, 1, ["a"]])
def test_another_binding_is_refused_before_anything_is_loaded(tmp_path, binding):
    ticket = Ticket(
        Masks({"k": [True]}), {"k": np.ones(1)}, architecture={"binding": binding}
    )
    ticket.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    for use in (loaded.model, lambda: loaded.apply(None)):
        with pytest.raises(TicketError, match="binding of a ticket must be one of"):
            use()
