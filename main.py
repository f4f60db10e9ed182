"""The command line: `python main.py [train] [CONFIG.yaml] [section.key=value ...]`.

Each command's words are in its file in processors/commands/, which imports nothing heavy, so that
`--help` and a mistyped word are answered at once. What a command does is imported when it is
chosen, here, by its name (and the builder of a network in nets/build.py).
"""
import argparse
import gc
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from configs.arguments import QUICKSTART, Job
from utils.errors import UserError, in_words
from utils.files import write_to_stdout
from utils.json_file import gc_paused
from utils.shown import most_like, sentence
from utils.user_path import user_path

__all__ = ["COMMANDS", "QUICKSTART", "main"]

COMMANDS = {    # what one types, and what it does
    "train": "train the network of a YAML file, evaluating after its epochs (the default command)",
    "init": "write a YAML that fits your labels, with a reason for every setting",
    "pack": "cut the persons out of their images, into data.train_pack and data.val_pack",
    "evaluate": "judge a checkpoint on the validation set of a YAML file",
    "rank": "say which labels to mend and which pictures to label next, by what a network makes of "
            "them",
    "detect": "find the persons in images: boxes in COCO results form, which val.boxes takes",
    "predict": "draw the people of images, of a video or of a camera, and write where their joints "
               "are",
    "export": "write the network of a checkpoint to an ONNX file, which predict takes in its "
              "place, or its weights in the form of another project",
    "publish": "put a checkpoint of this project on the Hugging Face Hub, with a card that says "
               "what it is",
    "import": "turn annotations of another tool into a COCO keypoints file to train on",
    "weights": "list published weights, which have names here, or fetch some",
    "check": "say what is wrong with the data of a YAML file, and what it costs; status 1 if "
             "anything is",
    "info": "show the network of a YAML file: parts, parameters, compute and memory"}

FILES = {"import": "import_labels", "pack": "train"}    # of processors/commands/, if another name


def read(words: list[str]) -> Job:
    """What the words of the command line ask for. Ends the process for `--help` and for options
    that do not exist, as argparse does. Raises UserError or OSError."""
    parser = argparse.ArgumentParser(
        prog="main.py", description="Top-down 2D human pose estimation, driven by YAML files.",
        epilog="Without a command it trains: python main.py [CONFIG.yaml] [section.key=value ...]; "
               "without a CONFIG it is configs/quickstart.yaml, which needs no download.")
    parser.add_argument("--version", action="store_true", default=argparse.SUPPRESS,
                        help="say which version this is, of which commit, and what it runs on")
    if words[0] == "--version":
        return Job("configs.version:print_version", {})
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about in COMMANDS.items():
        chosen = parsers.add_parser(name, help=about, description=about)
        if name == words[0]:
            command = import_module(f"processors.commands.{FILES.get(name, name)}")
            command.add_arguments(chosen)
    arguments, rest = parser.parse_known_args(words)
    if any(word.startswith("-") for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.settings += rest      # argparse leaves settings that stand behind an option
    fill_in_home(arguments)
    return command.job(arguments)


def fill_in_home(words: argparse.Namespace) -> None:
    """`~` in the paths among the words, which a shell does not see between quotes or behind `=`.
    Raises UserError as `user_path`."""
    for name, value in vars(words).items():
        if isinstance(value, Path):
            setattr(words, name, Path(user_path(str(value))))
        elif name == "weights" and value:   # or a name
            setattr(words, name, user_path(value))
    if words.settings and "=" not in words.settings[0]:     # a YAML, or a source
        words.settings[0] = user_path(words.settings[0])


def call(job: Job) -> object:
    """Import a job's module, and with it torch, and do the job."""
    module, _, function = job.function.partition(":")
    with gc_paused():
        do = getattr(import_module(module), function)
        gc.freeze()     # nor is it looked through later: workers share it until somebody touches it
    return do(**job.arguments)


def with_command(words: list[str]) -> list[str]:
    """The words with the command before them that was left out. Raises UserError for a word that
    looks like a mistyped command, and for an empty one, which would be taken for a folder."""
    if "" in words:
        raise UserError("the command line has an empty word, as of a variable of the shell that is "
                        "not set: give its value, or leave it out")
    if words and words[0] in (*COMMANDS, "-h", "--help", "--version"):
        return words
    near = most_like(words[0], COMMANDS) if words else []
    if near and not Path(words[0]).suffix and not Path(words[0]).exists():
        raise UserError(f"there is no command or YAML file {words[0]}: did you mean {near[0]}?")
    return ["train", *words]


def main(words: list[str]) -> int:
    """Run one command; returns the exit status. Errors of the user are one sentence, status 2."""
    try:
        status = call(read(with_command(words)))
    except (UserError, OSError) as error:
        if os.environ.get("SIMPLEPOSE_TRACEBACK"):
            raise
        print(f"error: {sentence(in_words(error) if isinstance(error, OSError) else error)}",
              file=sys.stderr)
        return 2
    except KeyboardInterrupt:       # before the training began, or the second one in it
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return status if isinstance(status, int) else 0


def flush() -> None:
    """What argparse has printed, or Python complains at its end that nobody takes it. Raises
    SystemExit where that was the only fault."""
    try:
        write_to_stdout(lambda: None)
    except OSError as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        if isinstance(error.__context__, SystemExit) and not error.__context__.code:
            raise SystemExit(2) from None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        flush()
