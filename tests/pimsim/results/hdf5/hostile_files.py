"""Changes to a result file that a reader must refuse, each with the message that names it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Damage = Callable[[h5py.File], object]


def put(name: str, data: Any, **how: Any) -> Damage:
    """Put a dataset in the place of another one."""

    def damage(file: h5py.File) -> None:
        del file[name]
        values = np.asarray(data)
        file.create_dataset(name, data=values, **({"chunks": values.shape, "compression": "gzip"} | how))

    return damage


def attribute(name: str, value: Any) -> Damage:
    return lambda file: file.attrs.__setitem__(name, value)


def change(name: str, index: int, value: Any) -> Damage:
    return lambda file: file[name].__setitem__(index, value)


def replace(name: str, value: Any) -> Damage:
    """Put a link or an object in the place of another one."""

    def damage(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return damage


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(5,), dtype="<i8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(5,))
    del file["ops/macs"]
    file.create_virtual_dataset("ops/macs", layout)


def external(file: h5py.File) -> None:
    del file["ops/macs"]
    file.create_dataset("ops/macs", (5,), "<i8", external=[("/etc/passwd", 0, 40)])


def bomb(rows: int, size: int, chunk: int | None = None) -> Damage:
    """A column of `rows` integers whose packed data unpack to `size` zeros."""

    def damage(file: h5py.File) -> None:
        del file["ops/macs"]
        how = {"chunks": (chunk or rows,), "compression": "gzip"}
        dataset = file.create_dataset("ops/macs", (rows,), "<i8", **how)
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(size)))

    return damage


def rename_config(old: str, new: str) -> Damage:
    def damage(file: h5py.File) -> None:
        text = file["config"].asstr()[0].replace(old, new, 1)
        put("config", np.array([text.encode()], dtype=h5py.string_dtype("utf-8", len(text.encode()))))(file)

    return damage


def several(*damages: Damage) -> Damage:
    return lambda file: [damage(file) for damage in damages]


HOSTILE: dict[str, tuple[Damage, str]] = {
    "no format": (lambda file: file.attrs.__delitem__("format"), "attribute format is missing"),
    "other format": (attribute("format", np.bytes_(b"x")), "attribute format is not 'pimsim-result'"),
    "format of objects": (attribute("format", "pimsim-result"), "attribute format does not have the data type"),
    "format of number": (attribute("format", 1), "attribute format does not have the data type"),
    "long format": (attribute("format", np.bytes_(b"x" * 5000)), "attribute format .* too large"),
    "newer": (attribute("result_version", 3), "result_version 3 is from a newer pimsim; update pimsim"),
    "older": (attribute("result_version", 0), "result_version 0 is unknown"),
    "version list": (attribute("result_version", [1]), "attribute result_version is not a single value"),
    "version real": (attribute("result_version", 1.0), "attribute result_version does not have the data type"),
    "version empty": (attribute("result_version", h5py.Empty("<i8")), "attribute result_version is not a single"),
    "no model": (lambda file: file.attrs.__delitem__("model"), "attribute model is missing"),
    "escape in model": (attribute("model", np.bytes_(b"\x1b[2J")), "attribute model holds a text with control"),
    "half a character": (attribute("model", np.bytes_(b"\xff")), "attribute model is damaged"),
    "negative latency": (attribute("latency_ps", -5), "attribute latency_ps holds a number out of range"),
    "no latency": (attribute("latency_ps", 0), "latency_ps is 0"),
    "no number": (
        attribute("latency_ps", np.bytes_(b"1_0")),
        "attribute latency_ps holds a text that is not an integer",
    ),
    "endless number": (attribute("latency_ps", np.bytes_(b"9" * 41)), "attribute latency_ps .* too large"),
    "no config": (lambda file: file.__delitem__("config"), "dataset config is missing"),
    "two configs": (put("config", [b"a", b"b"]), "dataset config is damaged"),
    "huge config": (put("config", [b"a" * ((1 << 20) + 1)]), "dataset config .* too large"),
    "config of objects": (
        put("config", np.array(["a"], object), dtype=h5py.string_dtype()),
        "dataset config does not have the data type",
    ),
    "config of text": (put("config", [b"a"]), "dataset config is not a complete config"),
    "broken config": (put("config", [b"a: ["]), "dataset config: not valid YAML"),
    "extends": (put("config", [b"extends: /etc/passwd"]), "dataset config is not a complete config"),
    "unknown key": (rename_config("schedule", "shedule"), r"dataset config: shedule: .*did you mean schedule\?"),
    "newer config": (rename_config("schema_version: 2", "schema_version: 3"), "dataset config: .*newer"),
    "no table": (lambda file: file.__delitem__("spans"), "group spans is missing|dataset spans/profile is missing"),
    "no column": (lambda file: file.__delitem__("spans/part"), "dataset spans/part is missing"),
    "table is dataset": (several(lambda f: f.__delitem__("spans"), replace("spans", [1])), "spans/profile is missing"),
    "column is group": (lambda f: (f.__delitem__("ops/macs"), f.create_group("ops/macs")), "ops/macs is not a dataset"),
    "soft link": (replace("ops/macs", h5py.SoftLink("/ops/start_ps")), "dataset ops/macs is a link to another place"),
    "external link": (replace("ops", h5py.ExternalLink("/etc/passwd", "/")), "group ops is a link to another place"),
    "circle": (lambda file: replace("ops", file["/"])(file), "dataset ops/block is missing"),
    "virtual": (virtual, "dataset ops/macs has its data in another file"),
    "external": (external, "dataset ops/macs has its data in another file"),
    "matrix": (put("ops/macs", [[1]]), "dataset ops/macs of shape .* is not a column"),
    "scalar": (replace("ops/macs", 1), "dataset ops/macs of shape .* is not a column"),
    "few rows": (put("ops/macs", [1]), "dataset ops/macs has 1 rows, but the first column has"),
    "unpacked": (put("ops/macs", [1], compression=None), "dataset ops/macs is not one compressed chunk"),
    "other packing": (put("ops/macs", [1], compression="lzf"), "dataset ops/macs is not one compressed chunk"),
    "shuffled": (put("ops/macs", [1], shuffle=True), "dataset ops/macs is not one compressed chunk"),
    "pieces": (put("ops/macs", [1, 2], chunks=(1,)), "dataset ops/macs is not one compressed chunk"),
    "no data": (
        lambda file: (file.__delitem__("ops/macs"), file.create_dataset("ops/macs", (9,), "<i8", compression="gzip")),
        "dataset ops/macs is not one compressed chunk|dataset ops/macs is damaged",
    ),
    "contiguous": (put("ops/macs", [1], compression=None, chunks=None), "dataset ops/macs is"),
    "many rows": (bomb(1 << 40, 8, 1 << 20), "dataset ops/macs of shape .* too large to read"),
    "bomb": (bomb(8, 1 << 26), "dataset ops/macs does not decompress to the 64 bytes"),
    "short data": (bomb(8, 63), "dataset ops/macs does not decompress to the 64 bytes"),
    "floats for integers": (put("ops/macs", [1.0]), "dataset ops/macs does not have the data type of an integer"),
    "short integers": (put("ops/macs", np.array([1], "<i4")), "dataset ops/macs does not have the data type"),
    "integers for text": (put("ops/name", [1]), "dataset ops/name does not have the data type of a line of text"),
    "text for reals": (put("components/leakage_j", [b"1"]), "components/leakage_j does not have the data type"),
    "compound": (put("ops/macs", np.array([(1,)], [("x", "<i8")])), "dataset ops/macs does not have the data type"),
    "references": (
        lambda file: put("ops/macs", np.array([file.ref], dtype=h5py.ref_dtype))(file),
        "dataset ops/macs does not have the data type",
    ),
    "enum": (put("ops/macs", [1], dtype=h5py.enum_dtype({"A": 1}, "<i8")), "ops/macs does not have the data type"),
    "wide texts": (put("ops/name", [b"x" * 1025]), "dataset ops/name .* too large"),
    "negative": (change("spans/end_ps", 0, -1), "dataset spans/end_ps holds a number out of range"),
    "nan": (change("components/leakage_j", 0, np.nan), "dataset components/leakage_j holds a number out of range"),
    "infinite": (change("areas/area_m2", 0, np.inf), "dataset areas/area_m2 holds a number out of range"),
    "enormous": (change("areas/area_m2", 0, 1e300), "dataset areas/area_m2 holds a number out of range"),
    "bell": (change("spans/label", 0, b"\a"), "dataset spans/label holds a text with control characters"),
    "late profile": (change("spans/profile", 0, 10**6), "dataset spans/profile refers to 1000000, not in the file"),
    "backwards": (change("spans/start_ps", 0, 1 << 62), "a span ends before it starts"),
    "activity of no op": (
        change("activities/op", 0, 10**6),
        "activity 0 belongs to an op or profile that does not exist",
    ),
    "activity of no profile": (change("activities/profile", 1, 10**6), "activity 1 belongs to an op or profile"),
    "activity backwards": (change("activities/end_ps", 5, 1), "activity 5 ends before it starts"),
    "activity before it is ready": (change("activities/ready_ps", 0, 1 << 62), "activity 0 ends before it starts"),
    "started by none": (
        change("activities/started_by", 0, 10**6),
        "activity 0 is started by an activity that does not end",
    ),
    "started by a later one": (
        change("activities/started_by", 0, 3),
        "activity 0 is started by an activity that does not end",
    ),
    "strange action of profile": (change("profile_counts/action", 0, b"x"), "action 'x' is counted but has no energy"),
    "strange part of profile": (change("profile_parts/part", 0, b"x"), "part 'x' is not one of systolic, "),
    "part of no profile": (change("profile_parts/profile", 0, 10**6), "profile_parts/profile refers to 1000000, not"),
    "strange part": (change("parts/part", 0, b"x"), "part 'x' is not one of systolic, "),
    "strange part of span": (change("spans/part", 0, b"x"), "part 'x' is not one of systolic, "),
    "strange action": (change("counts/action", 0, b"x"), "action 'x' is counted but has no energy"),
    "part of no op": (change("parts/op", 0, 10**6), "dataset parts/op refers to 1000000, not in the file"),
    "area of nothing": (change("areas/component", 0, b"x"), "dataset areas/component refers to 'x', not in the file"),
    "same area twice": (
        several(change("areas/item", slice(None), b"x"), change("areas/component", slice(None), b"tile")),
        "table areas has the same key twice",
    ),
    "twin components": (change("components/name", slice(None), b"tile"), "'tile' occurs twice"),
    "same energy twice": (change("action_energies/action", slice(None), b"x"), "has the same key twice"),
}
