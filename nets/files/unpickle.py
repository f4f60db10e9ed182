"""Weights out of a PyTorch file that pickles whole objects, without running anything in it.

A pickle is a program for a small stack machine, which may call any function of the Python that
reads it. Here the machine is our own: it knows tensors and plain containers. Classes and
functions stay names, and what a file wants to make of them becomes an inert `Stub` that keeps
the state and nothing else. There is no way from a file to an import, a call or an attribute.

It is for YOLOv5, whose files are such objects; all other weights are read by torch's own reader
(`nets/files/weights_file.py`), which refuses objects, but knows every format and is kept up by
torch.
"""
import pickletools
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nets.files.weights_file import ensure_file
from utils.errors import UserError

DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# Opcodes that push the constant they carry
CONSTANTS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}
KEYS = (str, bytes, int, float, bool, type(None))     # what a dict may have as keys


class PickleError(UserError):
    """The bytes are no pickle that this reader understands."""


@dataclass(frozen=True)
class Name:
    """A class or function that a file names: two words, nothing is imported."""
    module: str
    name: str


REBUILD_TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
REBUILD_PARAMETER = Name("torch._utils", "_rebuild_parameter")
ORDERED_DICT = Name("collections", "OrderedDict")


@dataclass(eq=False, repr=False)
class Stub:
    """Stands for an object that only code of the file's writer could make."""
    made_by: Any
    arguments: Any
    state: Any = None
    items: list = field(default_factory=list)   # what was appended or set


_MARK = object()


def read_pickled(path: str | Path) -> Any:
    """What a file of torch.save holds: tensors on the CPU, containers, and stubs for the rest.

    Raises FileNotFoundError, or ValueError for a file that is damaged or of another kind (also
    for PyTorch's format from before version 1.6, which is no zip archive).
    """
    path = Path(path)
    ensure_file(path, "weights/yolov5n.pt")
    try:
        with zipfile.ZipFile(path) as archive:
            storages = _Storages(archive)
            return run_pickle(storages.read("data.pkl"), storages)
    except PermissionError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; change its rights or give "
                         f"another file") from error
    except Exception as error:    # bytes that are no checkpoint fail in any way one can think of
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise UserError(f"{path} cannot be read as a PyTorch checkpoint ({reason}): it is cut "
                         f"short, damaged or of another kind; get it again") from error


class _Storages:
    """The numbers of the tensors, one archive member each, read when first asked for."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise PickleError("the archive has no single data.pkl")
        self.root = pickles[0].removesuffix("data.pkl")
        order = f"{self.root}byteorder"
        if order in archive.namelist() and self.read("byteorder") != b"little":
            raise PickleError("its numbers are big-endian")
        self.seen: dict[str, torch.Tensor] = {}

    def read(self, name: str) -> bytes:
        member = self.archive.getinfo(self.root + name)
        if member.compress_type != zipfile.ZIP_STORED:     # torch.save never compresses
            raise PickleError(f"{name} is compressed")
        return self.archive.read(member)

    def __call__(self, identity: Any) -> torch.Tensor:
        """The storage of ("storage", type, name of the member, device, count), 1-D."""
        kind, name = identity[1], identity[2]
        if not (identity[0] == "storage" and isinstance(kind, Name) and kind.name in DTYPES
                and type(name) is str):
            raise PickleError("an odd storage")
        if name not in self.seen:
            content = bytearray(self.read(f"data/{name}"))
            self.seen[name] = torch.frombuffer(content, dtype=torch.uint8) if content \
                else torch.empty(0, dtype=torch.uint8)
        return self.seen[name].view(DTYPES[kind.name])


def run_pickle(program: bytes, storages: Any) -> Any:
    """Run a pickle on the machine described above; `storages(identity)` gives 1-D tensors.

    Raises PickleError and, for programs that no pickler writes, IndexError, KeyError, TypeError
    and the like; never does anything but build containers.
    """
    stack: list = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list:
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise PickleError("a mark is missing")
        items = stack[place + 1:]
        del stack[place:]
        return items

    value: Any      # what it is depends on the opcode
    for opcode, value, _ in pickletools.genops(program):
        match opcode.name:
            case name if name in CONSTANTS:
                stack.append(value)
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(_MARK)
            case "POP":
                stack.pop()
            case "POP_MARK":
                pop_to_mark()
            case "DUP":
                stack.append(stack[-1])
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(pop_to_mark())
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                items = pop_to_mark()
                stack.append({})
                _set_items(stack[-1], items)
            case "EMPTY_SET":
                stack.append(Stub("set", ()))
            case "FROZENSET":
                stack.append(Stub("frozenset", tuple(pop_to_mark())))
            case "APPEND":
                item = stack.pop()
                _append(stack[-1], [item])
            case "APPENDS" | "ADDITEMS":
                items = pop_to_mark()
                _append(stack[-1], items)
            case "SETITEM":
                items = stack[-2:]
                del stack[-2:]
                _set_items(stack[-1], items)
            case "SETITEMS":
                items = pop_to_mark()
                _set_items(stack[-1], items)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "GLOBAL":
                stack.append(Name(*value.split(" ", 1)))
            case "STACK_GLOBAL":
                if not all(type(word) is str for word in stack[-2:]):
                    raise PickleError("a name that is no text")
                stack[-2:] = [Name(*stack[-2:])]
            case "REDUCE" | "NEWOBJ":
                stack[-2:] = [_make(stack[-2], stack[-1])]
            case "NEWOBJ_EX":
                stack[-3:] = [Stub(stack[-3], stack[-2:])]
            case "INST":
                stack.append(Stub(Name(*value.split(" ", 1)), tuple(pop_to_mark())))
            case "OBJ":
                made_by, *arguments = pop_to_mark()
                stack.append(Stub(made_by, tuple(arguments)))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Stub):     # an OrderedDict has one, too: _metadata
                    stack[-1].state = state
            case "PERSID":
                raise PickleError("an odd storage")
            case "BINPERSID":
                stack.append(storages(stack.pop()))
            case other:
                raise PickleError(f"the opcode {other}")
    raise PickleError("the end is missing")


def _append(target: Any, items: list) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, Stub):
        target.items.extend(items)
    else:
        raise PickleError("appends to what is no list")


def _set_items(target: Any, items: list) -> None:
    """items: key, value, key, value, ..."""
    pairs = list(zip(items[::2], items[1::2], strict=True))
    if isinstance(target, dict) and all(type(key) in KEYS for key, _ in pairs):
        target.update(pairs)
    elif isinstance(target, dict | Stub):
        pass                                # keys that no weights have
    else:
        raise PickleError("sets items of what is no dict")


def _make(made_by: Any, arguments: Any) -> Any:
    """What a call would give: a tensor or a dict where these are meant, else a stub."""
    if made_by == REBUILD_TENSOR:
        return _tensor(*arguments[:4])
    if made_by == REBUILD_PARAMETER:
        return arguments[0]
    if made_by == ORDERED_DICT:
        found: dict = {}
        for pair in arguments[0] if arguments else ():
            _set_items(found, list(pair))
        return found
    return Stub(made_by, arguments)


def _tensor(storage: torch.Tensor, offset: int, size: tuple, stride: tuple) -> torch.Tensor:
    numbers = (offset, *size, *stride)
    if not (isinstance(storage, torch.Tensor) and len(size) == len(stride)
            and all(type(number) is int and number >= 0 for number in numbers)):
        raise PickleError("an odd tensor")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(storage):
        raise PickleError("a tensor reaches beyond its storage")
    return storage.as_strided(size, stride, offset)


def module_state(module: Any) -> dict[str, torch.Tensor]:
    """The state_dict of a pickled torch.nn.Module, read off its stubs; {} if it is none."""
    found: dict[str, torch.Tensor] = {}
    todo, seen = [("", module)], set()
    while todo:
        prefix, module = todo.pop()
        if not isinstance(module, Stub) or not isinstance(module.state, dict) or id(module) in seen:
            continue
        seen.add(id(module))        # a file may say that a module is its own child
        own = _named(module, "_parameters") + _named(module, "_buffers")
        found |= {prefix + name: value for name, value in own if isinstance(value, torch.Tensor)}
        todo += [(f"{prefix}{name}.", child) for name, child in _named(module, "_modules")]
    return found


def _named(module: Stub, kind: str) -> list[tuple[str, Any]]:
    entries = module.state.get(kind)
    return list(entries.items()) if isinstance(entries, dict) else []
