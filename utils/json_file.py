"""Reading a JSON file that somebody else wrote."""
import json
from pathlib import Path
from typing import Any

from utils.errors import UserError


def read_json(path: str | Path, name: str = "") -> Any:
    """Its content. name: what messages call it, the path if not given.

    Raises FileNotFoundError or UserError, one sentence.
    """
    path, name = Path(path), name or str(path)
    if path.exists() and not path.is_file():     # a device would be read for ever
        raise UserError(f"{name} cannot be read: it is no file; correct the path")
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{name} does not exist: correct the path") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise UserError(f"{name} is nested too deeply to be read: download or write it again"
                        ) from None
    except ValueError as error:     # not JSON, or not text at all
        raise UserError(f"{name} is not JSON ({error}): download or write it again") from error
