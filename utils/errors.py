"""UserError: a sentence for the user. Every other exception is a bug and keeps its traceback."""
import errno

CURES = {
    errno.ENOSPC: "make room there, or choose another place",
    errno.EDQUOT: "make room there, or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "permit it, or choose another place",
    errno.EPERM: "permit it, or choose another place",
    errno.EMFILE: "allow this process more of them (ulimit -n 4096), or set fewer data.num_workers",
    errno.ENFILE: "close other programs",
    errno.ENXIO: "name a file",
    errno.EISDIR: "it is a folder: move it away, or choose another name"}


def in_words(error: OSError) -> str:
    """One sentence for a user: ours as it is; the system's with the place, and the cure if it is
    of the common ones."""
    if not error.errno or not error.strerror:
        return str(error)
    parts = error.filename, error.strerror, CURES.get(error.errno)
    return ": ".join(str(part) for part in parts if part)


class UserError(ValueError):
    """What is wrong, where (file and key), and the cure, in one sentence.

    The command line prints it and ends with status 2. A missing or unwritable file is an OSError
    with such a sentence, or with the system's own words.
    """


def first_line(error: Exception) -> str:
    """The first sentence of somebody's error; without the file, which we name ourselves."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.partition(". ")[0].rstrip(".")
