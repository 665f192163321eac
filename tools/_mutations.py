"""Ways to damage a run directory: each changes it in one place, by chance.

A mutation is a function of a directory and a random generator; it returns what it did,
in words, or None where it could do nothing.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil

from tf_lottery.run_dir.names import METRICS, OUTCOME, PLAN, TICKET
from tf_lottery.run_dir.sealed import write_record

VALUES = (
    *(None, True, False, "", "x", "\x1b[2J", [], {}, [[]], [0], {"a": 1}, -1, 0, 0.5),
    *(1, 10**6, 10**8, 10**9, 2**63, 10**30, 1e308, -0.0, float("nan"), float("inf")),
    *([0] * 1000, "9" * 5000, "replicate_0", "../../x", "os:system", "\ud800"),
)


def bit_flip(run, draw):
    path = _file(run, draw)
    content = bytearray(path.read_bytes())
    position = int(draw.integers(len(content)))
    content[position] ^= 1 << int(draw.integers(8))
    path.write_bytes(content)
    return f"{path}: bit in byte {position}"


def truncation(run, draw):
    path = _file(run, draw)
    length = int(draw.integers(path.stat().st_size))
    path.write_bytes(path.read_bytes()[:length])
    return f"{path}: {length} bytes left"


def zero_page(run, draw):
    path = _file(run, draw)
    content = bytearray(path.read_bytes())
    start = int(draw.integers(len(content)))
    stop = min(start + int(draw.choice([16, 512, 4096])), len(content))
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    return f"{path}: zeros from {start} to {stop}"


def appended_bytes(run, draw):
    path = _file(run, draw)
    more = draw.bytes(int(draw.integers(1, 5000)))
    path.write_bytes(path.read_bytes() + more)
    return f"{path}: {len(more)} bytes more"


def edited_record(run, draw):
    """An edit of plan.json or metrics.json, as an editor would do it."""
    path = _file(run, draw, (PLAN, METRICS))
    values = json.loads(path.read_text())
    what = _edit(values, draw)
    path.write_text(json.dumps(values, indent=1))
    return f"{path}: {what}"


def edited_record_with_its_digest(run, draw):
    """An edit of metrics.json by one who knows how its digest is made."""
    path = _file(run, draw, (METRICS,))
    values = json.loads(path.read_text())
    values.pop("digest")
    what = _edit(values, draw)
    with contextlib.suppress(ValueError, OverflowError):
        write_record(path, values)
    return f"{path}: {what}"


def edited_header(run, draw):
    """An edit of what an archive says, with the digest of its header left."""
    return _with_edited_header(run, draw, _write)


def edited_header_with_its_digest(run, draw):
    return _with_edited_header(run, draw, _write_sealed)


def array_of_another_file(run, draw):
    """An array with all that its file says of it, moved to another file."""
    name = str(draw.choice([TICKET, OUTCOME]))
    source, target = _file(run, draw, (name,)), _file(run, draw, (name,))
    theirs, told, bytes_of = _parts(source)
    header, content, data = _parts(target)
    common = [n for n in content["arrays"] if n in told["arrays"]]
    array = str(draw.choice(common))
    arrays = {n: data[slice(*header[n]["data_offsets"])] for n in content["arrays"]}
    arrays[array] = bytes_of[slice(*theirs[array]["data_offsets"])]
    content["arrays"][array] = told["arrays"][array]
    header[array] = theirs[array]
    tensors, end = {}, 0
    for each, values in arrays.items():
        span = [end, end + len(values)]
        tensors[each] = {**header[each], "data_offsets": span}
        end += len(values)
    metadata = {**header["__metadata__"], "tf_lottery": json.dumps(content)}
    _write_sealed(
        target, {"__metadata__": metadata, **tensors}, b"".join(arrays.values())
    )
    return f"{array} of {source} in {target}"


def files_swapped(run, draw):
    name = str(draw.choice([TICKET, OUTCOME, METRICS]))
    return _swap(_file(run, draw, (name,)), _file(run, draw, (name,)))


def file_copied(run, draw):
    name = str(draw.choice([TICKET, OUTCOME, METRICS]))
    source, target = _file(run, draw, (name,)), _file(run, draw, (name,))
    if source != target:
        shutil.copyfile(source, target)
    return f"{source} over {target}"


def trainings_swapped(run, draw):
    """Two whole directories of trainings, of rounds, replicates or controls."""
    paths = sorted({path.parent for path in run.rglob(METRICS)})
    return _swap(*(paths[i] for i in draw.choice(len(paths), 2, replace=False)))


def directories_swapped(run, draw):
    kind = str(draw.choice(["replicate_*", "replicate_*/controls/*", "**/round_*"]))
    paths = sorted(path for path in run.glob(kind) if path.is_dir())
    one, other = (paths[i] for i in draw.choice(len(paths), 2, replace=False))
    if one in other.parents or other in one.parents:
        return None
    return _swap(one, other)


def file_deleted(run, draw):
    path = _file(run, draw)
    path.unlink()
    return f"{path} deleted"


def directory_deleted(run, draw):
    path = _directory(run, draw)
    shutil.rmtree(path)
    return f"{path} deleted"


def directory_renamed(run, draw):
    path = _directory(run, draw)
    stem = path.name.partition("_")[0]
    number = draw.choice(["0", "00", "1", "7", "99999", "10000000", "-1", "x"])
    target = path.with_name(f"{stem}_{number}")
    if target.exists():
        return None
    path.rename(target)
    return f"{path} to {target.name}"


def endless_file(run, draw):
    path = _file(run, draw)
    path.unlink()
    kind = str(draw.choice(["/dev/zero", "pipe", "itself", "nothing", "directory"]))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to({"itself": path, "nothing": "gone"}.get(kind, kind))
    return f"{path} is {kind}"


def sparse_file(run, draw):
    path = _file(run, draw)
    os.truncate(path, int(draw.choice([2**32, 2**40])))
    return f"{path} ends in terabytes of nothing"


def link_to_another_file(run, draw):
    """The file of another round in its place, by a link."""
    name = str(draw.choice([TICKET, OUTCOME, METRICS]))
    source, target = _file(run, draw, (name,)), _file(run, draw, (name,))
    if source == target:
        return None
    target.unlink()
    kind = str(draw.choice(["symlink", "hard link"]))
    if kind == "symlink":
        target.symlink_to(source)
    else:
        os.link(source, target)
    return f"{target} is a {kind} to {source}"


def directory_is_something_else(run, draw):
    path = _directory(run, draw)
    shutil.rmtree(path)
    kind = str(draw.choice(["file", "pipe", "itself", "nothing", "/dev", "parent"]))
    if kind == "file":
        path.write_text("x")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        targets = {"itself": path, "nothing": "gone", "parent": path.parent}
        path.symlink_to(targets.get(kind, kind))
    return f"{path} is {kind}"


def part_of_another_search(run, draw):
    """A file or directory of a search with the same plan, other weights and data."""
    other = run.with_name("other")
    kind = str(draw.choice(["replicate_*", "**/round_*", "**/draw_*", "**/*.s*", "*"]))
    paths = sorted(path for path in other.glob(kind) if path.name != ".lock")
    source = paths[int(draw.integers(len(paths)))]
    target = run / source.relative_to(other)
    if source.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    return f"{target} is of another search"


def permission_denied(run, draw):
    """Nobody may read it; a superuser still can."""
    path = _file(run, draw) if draw.random() < 0.5 else _directory(run, draw)
    if os.geteuid() == 0:
        return None
    path.chmod(0)
    return f"{path} may not be read"


def edited_json(run, draw):
    """JSON that parsers take differently, or not at all."""
    path = _file(run, draw, (PLAN, METRICS))
    text = path.read_text()
    name, changed = _ODD_JSON[int(draw.integers(len(_ODD_JSON)))]
    path.write_bytes(changed(text))
    return f"{path}: {name}"


def something_more(run, draw):
    """An unknown file or directory, or a whole run directory inside of this one."""
    places = [run, *(path for path in sorted(run.rglob("*")) if path.is_dir())]
    place = places[int(draw.integers(len(places)))]
    name = str(
        draw.choice(["x", "round_99", "draw_7", "replicate_9", ".tf_lottery_1", "con"])
    )
    path = place / name
    if path.exists():
        return None
    kind = str(draw.choice(["file", "directory", "pipe", "run directory", "itself"]))
    if kind == "file":
        path.write_bytes(draw.bytes(100))
    elif kind == "directory":
        (path / "inside").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "itself":
        path.symlink_to(run)
    else:
        shutil.copytree(run.with_name("whole"), path)
    return f"{path}: a {kind} more"


def ticket_alone(run, draw):
    """The file that was returned, which `Ticket.load` reads alone."""
    mutate = (bit_flip, truncation, zero_page, appended_bytes, sparse_file)
    alone = run / "alone"
    alone.mkdir()
    (run / TICKET).rename(alone / TICKET)
    what = mutate[int(draw.integers(len(mutate)))](alone, draw)
    (alone / TICKET).rename(run / TICKET)
    alone.rmdir()
    return what


def _twice(text):
    """The first key a second time, with another value."""
    return text.replace("{", '{"plan": {}, "outcome": 1, "search": "x", ', 1).encode()


def _last_twice(text):
    head, _, tail = text.rpartition("}")
    return f'{head}, "maximize": false, "key": "x"}}{tail}'.encode()


def _number(value):
    return lambda text: re.sub(r"\d+\.\d+", value, text, count=1).encode()


_ODD_JSON = (
    ("keys twice, at the start", _twice),
    ("keys twice, at the end", _last_twice),
    ("not a number", _number("NaN")),
    ("infinity", _number("-Infinity")),
    ("a number too large", _number("1e400")),
    ("a huge integer", _number("9" * 4000)),
    ("a huger integer", _number("9" * 10**6)),
    ("deep lists", _number("[" * 10**5 + "]" * 10**5)),
    ("deep objects", _number('{"a":' * 10**5 + "1" + "}" * 10**5)),
    ("a number in text", _number('"0.5"')),
    ("wrong Unicode", lambda text: text.encode()[:-3] + b"\xff\xfe}\n"),
    ("half a surrogate", lambda text: text.encode().replace(b'":', b'\\ud800":', 1)),
    ("UTF-16", lambda text: text.encode("utf-16")),
    ("a byte-order mark", lambda text: text.encode("utf-8-sig")),
    ("other line ends", lambda text: text.replace("\n", "\r\n").encode()),
    ("a null byte", lambda text: text.replace("}", "\0}", 1).encode()),
    ("two documents", lambda text: (text + text).encode()),
    ("nothing", lambda text: b""),
)

_KINDS = (
    *(bit_flip, truncation, zero_page, appended_bytes),
    *(edited_record, edited_record_with_its_digest),
    *(edited_header, edited_header_with_its_digest),
    *(array_of_another_file, files_swapped, file_copied),
    *(trainings_swapped, directories_swapped),
    *(file_deleted, directory_deleted, directory_renamed, endless_file, sparse_file),
    *(link_to_another_file, directory_is_something_else, part_of_another_search),
    *(permission_denied, edited_json, something_more, ticket_alone),
)
KINDS = {mutation.__name__: mutation for mutation in _KINDS}


def _file(run, draw, names=None):
    paths = [path for path in sorted(run.rglob("*")) if path.is_file()]
    paths = [p for p in paths if p.name != ".lock" and (not names or p.name in names)]
    return paths[int(draw.integers(len(paths)))]


def _directory(run, draw):
    paths = sorted(path for path in run.rglob("*_*") if path.is_dir())
    return paths[int(draw.integers(len(paths)))]


def _swap(one, other):
    if one != other:
        between = one.with_name("between")
        one.rename(between)
        other.rename(one)
        between.rename(other)
    return f"{one} and {other} swapped"


def _edit(values, draw):
    """Changes one value, at any depth, or removes or adds one."""
    places = list(_places(values))
    parent, key = places[int(draw.integers(len(places)))]
    was, how = parent[key], draw.random()
    if how < 0.1:
        del parent[key]
        return f"{key} removed"
    if how < 0.15 and isinstance(parent, dict):
        parent["more"] = 1
        return f"a key more beside {key}"
    is_number = isinstance(was, int | float) and not isinstance(was, bool)
    if is_number and how < 0.6:
        parent[key] = was + draw.choice([-1, 1, 0.1, 1e-9]).item()
    elif isinstance(was, str) and was and how < 0.5:
        place = int(draw.integers(len(was)))
        parent[key] = was[:place] + chr(ord(was[place]) ^ 1) + was[place + 1 :]
    else:
        parent[key] = VALUES[int(draw.integers(len(VALUES)))]
    return f"{key} from {str(was)[:30]} to {str(parent[key])[:30]!r}"


def _places(values):
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in list(items):
        yield values, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _parts(path):
    """The header of a file, what it says of us, and the bytes of its arrays."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return (
        header,
        json.loads(header["__metadata__"]["tf_lottery"]),
        content[8 + length :],
    )


def _with_edited_header(run, draw, write):
    path = _file(run, draw, (TICKET, OUTCOME))
    header, content, data = _parts(path)
    what = _edit(content, draw)
    header["__metadata__"]["tf_lottery"] = json.dumps(content)
    write(path, header, data)
    return f"{path}: {what}"


def _write(path, header, data):
    _write_bytes(path, json.dumps(header).encode(), data)


def _write_sealed(path, header, data):
    header["__metadata__"] = {**header["__metadata__"], "sha256": "0" * 64}
    text = json.dumps(header).encode()
    digest = hashlib.sha256(text).hexdigest().encode()
    _write_bytes(path, text.replace(b"0" * 64, digest, 1), data)


def _write_bytes(path, text, data):
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
