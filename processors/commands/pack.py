"""`python main.py pack`: the words, and the job they name."""
from argparse import Namespace

from configs.loader import load_config
from processors.commands.arguments import Job, add_settings, split

add_arguments = add_settings

def job(words: Namespace) -> Job:
    return Job("processors.jobs.pack:make_pack", {"config": load_config(*split(words.settings))})
