"""hub_file: weights of a repository of the Hugging Face Hub, hf://org/name[@revision][/file].

By huggingface_hub (an optional package), whose cache, token and environment variables count. A file
is only fetched here; it is read as all weights are, and nothing in it runs.
"""
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from types import ModuleType

from utils.errors import UserError, first_line
from utils.log import log
from utils.shown import first_few, most_like, shortened

PREFIX = "hf://"
ADDRESS = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([\w.-]+(?:/pr/\d+|/convert/\w+)?))?"
                     r"(?:/([^@\s]+))?", re.ASCII)       # one slash: a Path has lost the other
EXAMPLE = "hf://org/name, hf://org/name@revision or hf://org/name/file.safetensors"
WHOLE = "model.safetensors"             # what transformers and this project call theirs
ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".onnx")      # of weights, the best first
FREE = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "unlicense")
LONGEST_REASON = 200                    # characters
PACKAGES = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3", "hf_xet")


@dataclass(frozen=True)
class Address:
    repository: str         # org/name
    revision: str | None    # a branch, tag or commit; None: the newest of the main branch
    file: str               # "" for the one that there is


def is_hub(given: str | Path) -> bool:
    return str(given).startswith("hf:/")


def parse(given: str | Path) -> Address:
    """Raises UserError for what is no such address."""
    match = ADDRESS.fullmatch(str(given))
    if not match:
        raise UserError(f"{shortened(str(given))} is no address on the Hugging Face Hub: write "
                        f"{EXAMPLE}")
    return Address(match[1], match[2], match[3] or "")


def hub_file(given: str | Path) -> Path:
    """The file of weights, in the cache of huggingface_hub; fetched unless it is there. Without a
    network the cache is taken, and that is said. Raises UserError in one sentence."""
    address, hub = parse(given), hub_package()
    api = hub.HfApi()
    with hub_errors(address.repository):
        try:
            info = api.model_info(address.repository, revision=address.revision)
        except Exception as error:
            if not _is_unreachable(error):
                raise
            folder = None
            with suppress(hub.errors.LocalEntryNotFoundError):
                folder = Path(api.snapshot_download(
                    address.repository, revision=address.revision, local_files_only=True))
            if folder is None:
                raise
            log.warning("%s is taken from the cache, for the Hub cannot be reached (%s)",
                        address.repository, first_line(error))
            return folder / _choose([path.relative_to(folder).as_posix()
                                     for path in sorted(folder.rglob("*")) if path.is_file()],
                                    address)
        name = _choose([one.rfilename for one in info.siblings or ()], address)
        if not isinstance(hub.try_to_load_from_cache(address.repository, name,
                                                     revision=info.sha), str):
            _say_licence(address.repository, getattr(info.card_data, "license", None))
        # by the name of the revision, which the cache then knows without a network
        return Path(api.hf_hub_download(address.repository, name, revision=address.revision))


def _choose(names: Sequence[str], address: Address) -> str:
    """The file that is meant, among those of a repository."""
    if address.file:
        if address.file in names:
            return address.file
        near = most_like(address.file, names)
        raise UserError(f"{PREFIX}{address.repository} has no file {shortened(address.file)}"
                        + (f": did you mean {shortened(near[0])}?" if near else
                           f"; it has {first_few(names, 4)}: name one of them"))
    if WHOLE in names:
        return WHOLE
    for ending in ENDINGS:
        found = [name for name in names if name.lower().endswith(ending)]
        if len(found) == 1 and f"{found[0]}.index.json" not in names:
            return found[0]
        if found:
            raise UserError(f"{PREFIX}{address.repository} has several files of weights "
                            f"({first_few(found, 4)}): name the one that you want, as in "
                            f"{PREFIX}{address.repository}/{shortened(found[0])}")
    raise UserError(f"{PREFIX}{address.repository} has no file of weights "
                    f"({', '.join(ENDINGS)}): it has {first_few(names, 4) or 'no files'}")


def _say_licence(repository: str, licence: object) -> None:
    if isinstance(licence, str) and licence in FREE:
        log.info("%s%s is under %s, as its card says", PREFIX, repository, licence)
    else:
        log.warning("%s%s: its card %s; see whether that allows your use", PREFIX, repository,
                    f"says it is under {shortened(str(licence))}" if licence
                    else "names no licence")


def hub_package() -> ModuleType:
    """huggingface_hub. Raises UserError where it is missing."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError("the Hugging Face Hub needs the package huggingface_hub: pip install "
                        "huggingface_hub safetensors") from error
    return huggingface_hub


def _is_unreachable(error: BaseException) -> bool:
    """Whether there was no answer, or it was that the server has no time."""
    response = getattr(error, "response", None)
    if response is not None:
        return response.status_code >= 500
    return _is_of_the_hub(error) and not isinstance(error, ValueError)


def _is_of_the_hub(error: BaseException) -> bool:
    """Whether it is one of the package's own errors, or of its client's."""
    return any(kind.__module__.partition(".")[0].startswith(PACKAGES)
               for kind in type(error).__mro__)


def _came_out_of_it(error: Exception) -> bool:
    """Whether it was raised below a call of the package, which also raises Python's own kinds."""
    return any(frame.f_globals.get("__name__", "").startswith(PACKAGES)
               for frame, _ in walk_tb(error.__traceback__))


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@contextmanager
def hub_errors(repository: str, sending: bool = False) -> Iterator[None]:
    """What the package raises over a repository becomes one sentence, a UserError. Its kinds are
    known by their names, for they differ between versions, and so does its client of HTTP. Errors
    of the disk stay as they are. sending: files to it, and not from it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # of an upload that fails another error tells, whose cause says why
        known = next(filter(_is_of_the_hub, _with_causes(error)), None)
        is_of_disk = isinstance(error, OSError) and error.errno
        if known is None and (is_of_disk or not _came_out_of_it(error)):
            raise
        words = _words(known or error, sending)
        raise UserError(f"{PREFIX}{repository} {words}") from error


def _words(error: BaseException, sending: bool) -> str:
    """What is wrong with a repository, and the cure."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "GatedRepoError" in kinds:
        return ("lets only those in who have asked: accept its terms on its page, then log in by: "
                "hf auth login")
    if "RevisionNotFoundError" in kinds:
        return "has no such revision: see its page, or leave @revision out"
    if status in (401, 403) or kinds & {"RepositoryNotFoundError", "LocalTokenNotFoundError"}:
        return ("is not there, or not for you: correct the name, or log in by: hf auth login"
                + ", with a token that may write" * sending)
    if sending:
        return (f"was not published ({_reason(error)}): try again, or write --dry-run FOLDER and "
                f"upload that")
    if "LocalEntryNotFoundError" in kinds or _is_unreachable(error):
        return (f"cannot be reached ({_reason(_deepest(error))}), and is not in the cache: try "
                f"again, fetch it where there is a network (hf download), or give the path of a "
                f"file")
    return f"cannot be had ({_reason(error)}): correct it, or try again"


def _deepest(error: BaseException) -> BaseException:
    """What was at the root of an error, which its client wraps several times."""
    while inner := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = inner
    return error


def _reason(error: BaseException) -> str:
    return shortened(" ".join(str(error).split()) or type(error).__name__, LONGEST_REASON)
