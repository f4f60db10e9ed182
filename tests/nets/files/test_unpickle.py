"""Reading pickled modules: the same tensors as pickle gives, and never a line of code run."""
import io
import os
import pickle
import sys
import time
import types
import zipfile

import pytest
import torch
from torch import nn

from nets.detectors.yolov5_weights import load_yolov5
from nets.files.unpickle import PickleError, Stub, module_state, read_pickled, run_pickle


@pytest.fixture
def foreign():
    """A module class that the reader cannot import, as in the files of other projects."""
    module = types.ModuleType("foreign_models")

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, bias=False)
            self.bn = nn.BatchNorm2d(4)
            self.names = ["person", "dog"]
            self.tags = {"a", "b"}

    Block.__module__, Block.__qualname__ = "foreign_models", "Block"
    module.Block = Block
    sys.modules["foreign_models"] = module
    yield module
    del sys.modules["foreign_models"]


def test_a_pickled_module_gives_its_state_dict(foreign, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(foreign.Block(), foreign.Block()).half()
    torch.save({"model": net, "ema": None, "epoch": 7, "list": [(1, 2.5), "x", {"k": True}]},
               tmp_path / "net.pt")
    sys.modules["foreign_models"].Block = None      # it is not needed to read the file
    content = read_pickled(tmp_path / "net.pt")
    assert content["epoch"] == 7 and content["ema"] is None
    assert content["list"] == [(1, 2.5), "x", {"k": True}]
    state = module_state(content["model"])
    assert {key: value.dtype for key, value in state.items()} == {
        key: value.dtype for key, value in net.state_dict().items()}
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in state.items())
    assert content["model"].state["_modules"]["0"].state["names"] == ["person", "dog"]


def test_views_and_types_of_tensors(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {"transposed": base.t(), "part": base[1:3, ::2], "scalar": torch.tensor(3),
               "empty": torch.zeros(0, 4), "bool": torch.tensor([True, False]),
               "bf16": torch.ones(3, dtype=torch.bfloat16), "double": torch.ones(2).double(),
               "parameter": nn.Parameter(torch.ones(2, 2))}
    torch.save(tensors, tmp_path / "x.pt")
    found = read_pickled(tmp_path / "x.pt")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(found[name], value) and found[name].dtype == value.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_in_all_protocols(protocol):
    value = {"a": [1, -2, 300, 70000, 2 ** 40, 2 ** 100, 1.5, None, True, "é" * 300, b"b" * 300],
             "b": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), 3: {}, None: []}
    value["again"] = value["a"]
    found = run_pickle(pickle.dumps(value, protocol), None)
    if protocol < 3:    # there bytes are made by a call
        assert isinstance(value["a"].pop(), bytes) and isinstance(found["a"].pop(), Stub)
    assert found == value and found["again"] is found["a"]


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
    return found


def zipped(path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")


ATTACKS = list(attacks("/nonexistent"))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl"])
@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_run_nothing(tmp_path, name, suffix):
    marker = tmp_path / "it_ran"
    content = attacks(marker)[name]
    path = tmp_path / f"evil{suffix}"
    for write in (zipped, type(path).write_bytes):
        write(path, content)
        for read in (read_pickled, load_yolov5):
            try:
                read(path)
            except ValueError as error:
                assert str(path) in str(error) and len(str(error).splitlines()) == 1
        assert not marker.exists()


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


def test_an_attack_inside_a_real_module_stays_a_stub(foreign, tmp_path):
    net, marker = foreign.Block(), tmp_path / "it_ran"
    net.evil = Reduced(os.system, f"touch '{marker}'")
    torch.save({"model": net}, tmp_path / "net.pt")
    model = read_pickled(tmp_path / "net.pt")["model"]
    assert torch.equal(module_state(model)["conv.weight"], net.conv.weight)
    evil = model.state["evil"]
    assert isinstance(evil, Stub) and evil.made_by.name == "system" and not marker.exists()


@pytest.mark.parametrize("content, words", [
    (b"", "end is missing|exhausted|opcode"), (b"N", "exhausted|end"), (b"0.", "empty"),
    (b"t.", ""),
    (b"(N", "exhausted|end"), (b"e.", ""), (b"h\x05.", "5"), (b"N]s.", ""), (b"\x82\x01.", "EXT1"),
    (b"\x8e" + b"\xff" * 8 + b".", ""), (b"Pname\n.", "storage"),
], ids=str)
def test_broken_programs(tmp_path, content, words):
    zipped(tmp_path / "x.pt", content)
    with pytest.raises(ValueError, match=f"(?s)cannot be read.*({words})"):
        read_pickled(tmp_path / "x.pt")


@pytest.mark.parametrize("offset, size, stride", [
    (0, (5,), (1,)), (3, (2,), (1,)), (0, (2, 3), (2, 1)), (-1, (1,), (1,)), (0, (2,), (-1,)),
    (0, (2, 2), (1,)), (0, (True,), (1,)), (0, (2.0,), (1,)), (0, (2 ** 70,), (1,)),
])
def test_tensors_cannot_reach_beyond_their_storage(offset, size, stride):
    class Rebuilt:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Stored(), offset, size, stride, False, {})

    class Stored:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return "numbers" if isinstance(value, Stored) else None

    file = io.BytesIO()
    Pickler(file, 2).dump(Rebuilt())
    with pytest.raises((PickleError, TypeError)):
        run_pickle(file.getvalue(), lambda identity: torch.zeros(4))


def test_endless_things_end():
    assert len(run_pickle(b"(" + b"]" * 100_000 + b"l.", None)) == 100_000
    assert len(run_pickle(b"N" + b"\x85" * 200_000 + b".", None)) == 1
    assert isinstance(run_pickle(b"c\n\n" + b")R" * 200_000 + b".", None), Stub)
    module = Stub("a module that is its own child", ())
    module.state = {"_modules": {"x": module, "y": Stub("another", (), {
        "_parameters": {"w": torch.ones(1)}})}}
    assert list(module_state(module)) == ["y.w"]


def test_files_that_are_no_archive_of_torch(tmp_path):
    path = tmp_path / "x.pt"
    with pytest.raises(FileNotFoundError, match="there is no weights file"):
        read_pickled(path)
    path.write_text("<html>404</html>")
    with pytest.raises(ValueError, match="cannot be read"):
        read_pickled(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(ValueError, match="data.pkl"):
        read_pickled(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:    # could unpack to anything
        archive.writestr("a/data.pkl", b"N.")
    with pytest.raises(ValueError, match="compressed"):
        read_pickled(path)


def test_cut_and_flipped_files_are_one_sentence(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(3000.0)}, path)
    content = path.read_bytes()
    for size in (0, 1, 30, 300, len(content) // 2, len(content) - 9):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="cannot be read"):
            read_pickled(path)
    broken = bytearray(content)
    broken[len(content) // 2] ^= 1      # within the numbers: the checksum tells
    path.write_bytes(broken)
    with pytest.raises(ValueError, match="cannot be read.*CRC"):
        read_pickled(path)
