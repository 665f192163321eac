"""Files of a search changed with everything that vouches for them: true by digests."""

import json

from tf_lottery.core.archive import Archive, save
from tf_lottery.core.masks import Masks
from tf_lottery.run_dir.names import METRICS, OUTCOME, PLAN, TICKET
from tf_lottery.run_dir.sealed import digest_of, digest_of_arrays, write_record


def rewritten(path, change, header=None):
    """The file written anew, with right checksums, after a change to its groups."""
    archive = Archive(path)
    names = {name.partition("/")[0] for name in archive} - {"masks"}
    groups = {name: dict(archive.group(name)) for name in names}
    masks = {path: mask.copy() for path, mask in archive.masks.items()}
    change(groups, masks)
    save(path, groups, archive.header | (header or {}), Masks(masks))


def edited(path, change):
    """A record changed, with its right digest."""
    values = json.loads(path.read_text())
    values.pop("digest")
    change(values)
    write_record(path, values)


def edited_plan(run, **changes):
    """Another plan in plan.json, with its right digest."""
    edited(run / PLAN, lambda manifest: manifest["plan"].update(changes))


def resealed(replicate):
    """The digests of all rounds of a replicate and their controls, made right again."""
    rounds = sorted(replicate.glob("round_*"))
    for before, round in zip([None, *rounds], rounds, strict=False):
        if before:
            follows = digest_of_arrays(Archive(before / OUTCOME))
            rewritten(round / TICKET, lambda *_: None, {"follows": follows})
        _seal(round)
    for control in replicate.glob("controls/*/round_*/draw_*"):
        _seal(control)


def _seal(directory):
    def change(metrics):
        for name in (TICKET, OUTCOME):
            metrics["files"][name] = digest_of(Archive(directory / name))

    edited(directory / METRICS, change)
