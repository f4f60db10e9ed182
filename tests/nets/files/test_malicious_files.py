"""Weights files that want to run code, to crash or to eat the memory: whoever reads them, nothing
is run, and each is refused in one sentence or read as harmless values."""
import io
import os
import pickle
import struct
import time
import zipfile

import pytest
import torch

from nets.detectors.yolov5_weights import MODULES, load_yolov5, module_state
from nets.files.pickle_checks import DEEPEST, ensure_readable
from nets.files.plain_values import StandIn
from nets.files.weights_file import read_weights_file
from processors.models.checkpoint import load_checkpoint
from utils.errors import UserError


def read_modules(path):
    return read_weights_file(path, MODULES)


READERS = (read_weights_file, read_modules, load_yolov5, load_checkpoint)


# Everything below tries to make the file `marker`.

class Reduced:
    """Unpickling calls `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Restored:
    """Unpickling calls exec through __setstate__ of a class that can be had anywhere."""

    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return eval, (f"[exec({self.code!r})][0]",)


def program(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def attacks(marker) -> dict[str, bytes]:
    shell, code = f"touch {marker}", f"open({str(marker)!r}, 'w').close()"
    found = {}
    for protocol in (0, 2, 4):
        for name, attack in {
            "os.system": Reduced(os.system, shell), "exec": Reduced(exec, code),
            "eval": Reduced(eval, code), "popen": Reduced(os.popen, shell),
            "open": Reduced(open, str(marker), "w"), "setstate": Restored(code),
            "getattr": Reduced(getattr, Reduced(os.system, shell), "x"),
            "compile": Reduced(exec, Reduced(compile, code, "x", "exec")),
            "map": Reduced(list, Reduced(map, os.system, [shell])),
            "torch.load": Reduced(torch.load, Reduced(io.BytesIO, b""), None, None),
        }.items():
            found[f"{name}_{protocol}"] = pickle.dumps({"model": attack}, protocol)
    found["inst"] = program(f"(S'{shell}'", "ios", "system", ".")
    found["obj"] = program("(cos", "system", f"V{shell}", "o.")
    found["newobj"] = program("cos", "system", f"(V{shell}", "t\x81.")
    found["build"] = program("cos", "system", "(dVx", "cos", "system", f"(V{shell}", "tRsb.")
    found["set_state_of_a_function"] = program(
        "ctorch._utils", "_rebuild_tensor_v2", "N(dV__code__", "cos", "system", "s\x86b.")
    found["tensor_gadget"] = program("ctorch._utils", "_rebuild_tensor_v2", "(cos", "system",
                                     f"(V{shell}", "tRtR.")
    found["parameter_gadget"] = program("ctorch._utils", "_rebuild_parameter", "(cos", "system",
                                        f"(V{shell}", "tRtR.")
    found["dict_gadget"] = program("ccollections", "OrderedDict", "(((cos", "system", f"(V{shell}",
                                   "tRI1", "ttltR.")
    found["persistent_id"] = program("(Vstorage", "cos", "system", f"V{shell}", "Vcpu", "I1", "tQ.")
    found["numpy"] = program("cnumpy.testing._private.utils", "runstring", f"(V{code}", "(dtR.")
    found["extension"] = b"\x80\x02\x82\x01."
    # Objects whose names are on the reader's list, with whatever a file may do to them
    command = program("cos", "system", f"(V{shell}", "tR")[:-1] + b"\n"
    text = b"X" + struct.pack("<I", len(code)) + code.encode()
    known = b"cmodels.common\nConv\n"
    found["state_of_a_stand_in"] = known + b")\x81}X\x01\x00\x00\x00x" + command + b"sb."
    found["class_of_a_stand_in"] = (known + b")\x81}X\x09\x00\x00\x00__class__cos\nsystem\nsb.")
    found["stand_in_called"] = known + b"(" + command + b"tR."
    found["stand_in_of_a_stand_in"] = known + b"(" + known + b")\x81tR" + known + b")\x81b."
    found["state_of_the_class"] = (known + b"}X\x0c\x00\x00\x00__setstate__cbuiltins\nexec\nsb"
                                   + b")\x81" + text + b"b.")
    found["type_v2"] = (b"ctorch._tensor\n_rebuild_from_type_v2\n(" + known + known + b")"
                        b"}X\x0c\x00\x00\x00__setstate__cbuiltins\nexec\nstR" + text + b"b.")
    return found


def zipped(path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in (("data.pkl", content), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"archive/{name}", member)


def bare(path, content: bytes) -> None:
    path.write_bytes(content)


def of_old(path, content: bytes) -> None:
    """As torch.save wrote before version 1.6."""
    start = (torch.serialization.MAGIC_NUMBER, 1001, {"little_endian": True})
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in start) + content
                     + pickle.dumps([], 2))


def refused_or_harmless(path):
    """By every reader; the values are of plain types all through."""
    for read in READERS:
        try:
            read(path)
        except UserError as error:
            assert str(path) in str(error) and len(str(error).splitlines()) == 1
            assert len(str(error)) < 1000


ATTACKS = list(attacks("/nonexistent"))


@pytest.mark.parametrize("write", [zipped, bare, of_old])
@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_run_nothing(tmp_path, name, write):
    marker, path = tmp_path / "it_ran", tmp_path / "evil.pt"
    write(path, attacks(marker)[name])
    refused_or_harmless(path)
    assert not marker.exists() and not hasattr(StandIn, "exec")


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith(
    ("os.system", "exec", "eval", "popen", "open", "setstate", "compile", "map", "inst", "obj"))])
def test_the_attacks_are_real(tmp_path, name):
    marker = tmp_path / "it_ran"
    try:
        pickle.loads(attacks(marker)[name])
    except (AttributeError, TypeError):
        pass        # after it ran
    for _ in range(500):
        if marker.exists():
            return
        time.sleep(0.01)    # popen does not wait
    raise AssertionError(f"{name} is no attack")


def test_the_stand_ins_keep_what_they_are(tmp_path):
    before = dict(vars(StandIn))
    for name in ATTACKS:
        zipped(tmp_path / "evil.pt", attacks(tmp_path / "it_ran")[name])
        refused_or_harmless(tmp_path / "evil.pt")
    assert dict(vars(StandIn)) == before


def build(state: bytes) -> bytes:
    """A module with this state."""
    return b"\x80\x02cmodels.yolo\nDetectionModel\n)\x81" + state + b"b."


@pytest.mark.parametrize("state, expected", [
    (b"}", {}), (b"N", None), (b"K\x05", 5), (b"]", []), (b"K\x01K\x02\x86", (1, 2)),
    (b"}X\x08\x00\x00\x00__dict__K\x07s", {"__dict__": 7}),
    (b"}X\x09\x00\x00\x00__class__K\x07s", {"__class__": 7}),
    (b"}K\x01K\x02\x86K\x07s", {}),                             # a key that no weights have
    (b"}X\x08\x00\x00\x00_modulesK\x07s", {"_modules": 7}),
    (b"(lX\x01\x00\x00\x00aa", ["a"]),
])
def test_a_hostile_state_is_only_data(tmp_path, state, expected):
    zipped(tmp_path / "x.pt", build(state))
    try:
        content = read_modules(tmp_path / "x.pt")
    except UserError:
        assert state.startswith(b"(l")      # an opcode that torch.save does not write
        return
    assert content == expected and module_state(content) == {}
    refused_or_harmless(tmp_path / "x.pt")


def test_a_module_that_is_its_own_child_has_an_end(tmp_path):
    zipped(tmp_path / "x.pt", b"\x80\x02cmodels.yolo\nModel\n)\x81q\x00}X\x08\x00\x00\x00_modules"
                              b"}X\x01\x00\x00\x00xh\x00ssb.")
    with pytest.raises(UserError, match="contain themselves"):
        load_yolov5(tmp_path / "x.pt")


def nested_modules(levels: int, name: bytes) -> bytes:
    """{"name": name, "model": a module within modules, all of that name}."""
    word = b"X" + struct.pack("<I", len(name)) + name + b"q\x00"
    new = b"cmodels.yolo\nModel\n)\x81}"
    return (b"\x80\x02}X\x04\x00\x00\x00name" + word + b"sX\x05\x00\x00\x00model"
            + (new + b"X\x08\x00\x00\x00_modules}h\x00") * levels + new + b"b"
            + b"ssb" * levels + b"s.")


@pytest.mark.parametrize("levels, name, words", [
    (5000, b"x", "nested too deep"), (8, 1_000_000 * b"x", "names beyond all measure")])
def test_names_do_not_grow_with_the_depth(tmp_path, levels, name, words):
    zipped(tmp_path / "x.pt", nested_modules(levels, name))
    start = time.monotonic()
    with pytest.raises(UserError, match=words):
        load_yolov5(tmp_path / "x.pt")
    assert time.monotonic() - start < 10


# Each hashed, these end the process: the C stack overflows.
DEEP = {
    "one by one": b"}N" + b"\x85" * 2_000_000 + b"Ns.",
    "by marks": b"}" + b"(" * 500_000 + b"N" + b"t" * 500_000 + b"Ns.",
    "in pairs": b"}N" + b"N\x86" * 500_000 + b"Ns.",
    "by memory": b"}N" + b"\x85q\x000h\x00" * 300_000 + b"Ns.",
    "in a set": b"c__builtin__\nset\n(]N" + b"\x85" * 1_000_000 + b"atR.",
    "in an ordered dict": b"ccollections\nOrderedDict\n(]N" + b"\x85" * 1_000_000 + b"N\x86atR.",
}


@pytest.mark.parametrize("write", [zipped, bare, of_old])
@pytest.mark.parametrize("program", DEEP.values(), ids=DEEP.keys())
def test_deep_tuples_are_refused_before_anything_hashes_them(tmp_path, program, write):
    write(tmp_path / "x.pt", b"\x80\x02" + program)
    with pytest.raises(UserError, match="nested more than 50 deep"):
        read_weights_file(tmp_path / "x.pt")


def test_tuples_of_ordinary_depth_pass():
    value = ()
    for _ in range(DEEPEST - 1):
        value = (value,)
    ensure_readable(pickle.dumps({value: [value, {"a": (1, 2, (3, 4, "x"), value)}]}, 2))
    with pytest.raises(UserError):
        ensure_readable(pickle.dumps({((value,),): 1}, 2))
    ensure_readable(io.BytesIO(pickle.dumps([(1,)] * 1000 + [[[[[]]]]], 2)))


def test_endless_programs_end(tmp_path):
    zipped(tmp_path / "x.pt", b"\x80\x02" + b"N0" * 1_500_000 + b"N.")
    with pytest.raises(UserError, match="more than 2000000 steps"):
        read_weights_file(tmp_path / "x.pt")


@pytest.mark.parametrize("content", [
    b"", b"N", b"0.", b"t.", b"(N", b"e.", b"h\x05.", b"N]s.", b"\x82\x01.",
    b"\x8e" + b"\xff" * 8 + b".", b"Pname\n.", b"\x80\x02\x85.", b"]Na0Na.",
], ids=str)
def test_broken_programs(tmp_path, content):
    zipped(tmp_path / "x.pt", content)
    for read in READERS:
        with pytest.raises(UserError, match="cannot be read") as caught:
            read(tmp_path / "x.pt")
        assert "PyTorch checkpoint" in str(caught.value)


@pytest.mark.parametrize("offset, size, stride", [
    (0, (5,), (1,)), (3, (2,), (1,)), (0, (2, 3), (2, 1)), (-1, (1,), (1,)), (0, (2,), (-1,)),
    (0, (2, 2), (9,)), (0, (2.5,), (1,)), (0, (2 ** 70,), (1,)), (0, (2 ** 40,), (1,)),
])
def test_tensors_cannot_reach_beyond_their_storage(tmp_path, offset, size, stride):
    class Rebuilt:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Stored(), offset, size, stride, False, {})

    class Stored:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            kind = torch.FloatStorage
            return ("storage", kind, "0", "cpu", 4) if isinstance(value, Stored) else None

    file = io.BytesIO()
    Pickler(file, 2).dump(Rebuilt())
    zipped(tmp_path / "x.pt", file.getvalue())
    with zipfile.ZipFile(tmp_path / "x.pt", "a") as archive:
        archive.writestr("archive/data/0", b"\0" * 16)
    with pytest.raises(UserError, match="cannot be read"):
        read_weights_file(tmp_path / "x.pt")


def test_archives_that_unpack_to_more_than_they_are(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 50_000_000)
    for read in READERS:
        with pytest.raises(UserError, match="its parts are compressed, as torch.save never"):
            read(path)
    torch.save({"a": torch.ones(500)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("another/DATA.pkl", b"N.")
        archive.getinfo("x/data.pkl").header_offset = archive.getinfo("x/data/0").header_offset
    with pytest.raises(UserError, match="cannot be read"):
        read_weights_file(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
    for read in READERS:
        with pytest.raises(UserError, match="cannot be read"):
            read(path)
