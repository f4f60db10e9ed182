"""`python main.py publish`: weights of this project as a repository of the Hugging Face Hub."""
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from configs.loader import config_to_dict
from configs.schema import Config
from datasets.annotations.skeleton import skeleton_to_dict
from nets.files.safetensors_file import safetensors_bytes
from nets.zoo.hub import PREFIX, WHOLE, hub_errors, hub_package
from processors.models.load_pose_model import load_network
from processors.publishing.model_card import LIBRARY, model_card
from processors.publishing.portable import SKELETON, portable, read_own
from utils.errors import UserError
from utils.log import log, show_log
from utils.outputs import ensure_outputs, marked_text, write_output

CARD, SETTINGS = "README.md", "config.yaml"
FILES = {CARD: "text", SETTINGS: "text", SKELETON: "text", WHOLE: "safetensors"}
ALWAYS = ("model", "codec")         # sections that are written whole


def publish(weights: str | Path, to: str, license: str | None = None,
            dry_run: Path | None = None) -> None:
    """Put a checkpoint of this project on the Hub as the repository `to` (org/name): weights with
    all that it takes to use them, settings, skeleton and a model card; nothing of this machine.

    license: as the Hub spells it, such as apache-2.0. dry_run: a folder that is written instead.
    An existing repository is changed only if its card says that it is of this project. Raises
    UserError or OSError in one sentence.
    """
    show_log()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", to, re.ASCII):
        raise UserError(f"--to is {to}: write the repository as org/name or user/name")
    if license is None or not re.fullmatch(r"[a-z0-9.+-]+", license):
        raise UserError(f"publish needs --license{f' ({license} is none)' * (license is not None)}"
                        f", under which others may use these weights, as the Hub spells it: "
                        f"apache-2.0, mit, cc-by-nc-4.0, other or so; see docs/licences.md on what "
                        f"they were trained from")
    if dry_run:
        ensure_outputs(dry_run, FILES, "--dry-run")
        _write(_contents(weights, to, license), dry_run)
        log.info("%s has what would go to %s%s", dry_run, PREFIX, to)
        return
    with TemporaryDirectory() as folder:
        _write(_contents(weights, to, license), Path(folder))
        _ensure_ours(to)
        with hub_errors(to, sending=True):
            api = hub_package().HfApi()
            api.create_repo(to, exist_ok=True)
            api.upload_folder(repo_id=to, folder_path=folder,
                              commit_message="Weights, settings and card by SimplePose")
    log.info("published: --weights %s%s", PREFIX, to)


def _ensure_ours(repository: str) -> None:
    """Raise UserError for a repository that is there and has files of others."""
    with hub_errors(repository, sending=True):
        api = hub_package().HfApi()
        if not api.repo_exists(repository):
            return
        files = api.model_info(repository).siblings or ()
        names = {one.rfilename for one in files} - {".gitattributes"}
        card = (Path(api.hf_hub_download(repository, CARD)).read_bytes() if CARD in names else b"")
    if names and LIBRARY.encode() not in card.splitlines():
        raise UserError(f"--to: {PREFIX}{repository} is there already, and its card does not say "
                        f"that it is of this project ({LIBRARY}), so it stays as it is: give "
                        f"another name")


def _contents(weights: str | Path, to: str, licence: str) -> dict[str, bytes]:
    """The files of the repository, by their names."""
    found, checkpoint, stored = read_own(weights)
    net, skeleton, _ = load_network(checkpoint, found.given, stored, stored)
    about = portable(checkpoint, stored, skeleton)
    parameters = sum(one.numel() for one in net.parameters())
    card = model_card(checkpoint, stored, skeleton, to, licence, parameters)
    return {CARD: marked_text(card), SETTINGS: _yaml(_differing(about["config"])),
            SKELETON: _yaml(skeleton_to_dict(skeleton)),
            WHOLE: safetensors_bytes(net.state_dict(), about)}


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    for name, data in contents.items():
        write_output(folder / name, data, "--dry-run")


def _differing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a YAML must say: the network whole, and what is not as by default."""
    usual, said = config_to_dict(Config()), {}
    for key, value in settings.items():
        if isinstance(value, dict) and key not in ALWAYS:
            value = {name: one for name, one in value.items() if one != usual[key][name]}
        if key in ALWAYS or value not in (usual[key], {}):
            said[key] = value
    return said


def _yaml(content: Mapping[str, Any]) -> bytes:
    text = yaml.safe_dump(dict(content), sort_keys=False, default_flow_style=None, width=100,
                          allow_unicode=True)
    return f"{text}# written by SimplePose\n".encode()
