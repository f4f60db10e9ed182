"""What is wrong with the people of data.unlabelled."""
from collections.abc import Iterator

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_files import spread
from datasets.crops.images import ImageError
from datasets.doctor.finding import Finding, examples_of
from datasets.unlabelled.people import UnlabelledPeople
from utils.errors import UserError
from utils.shown import sentence

DECODED = 100       # pictures that are read whole, evenly spread


def unlabelled(config: Config, skeleton: Skeleton) -> Iterator[Finding]:
    """Files that training refuses, what it leaves out, and pictures that cannot be used; how many
    people there are is said, too."""
    if not config.data.unlabelled:
        return
    try:
        people = UnlabelledPeople(config, skeleton)
    except (UserError, OSError) as error:
        yield Finding(sentence(error), "training refuses it")
        return
    yield Finding(people.summary(), "only their boxes are used; joints, where a file has some, are "
                                    "compared with what is learned", serious=False)
    looked, bad = spread(range(len(people.persons.image_ids)), DECODED), {}
    for row in looked:
        try:
            people.image(row)
        except ImageError as error:
            bad[str(people.persons.file_names[row])] = sentence(error)
    if bad:
        yield Finding(f"{len(bad)} of {len(looked)} pictures that were looked at cannot be used, "
                      f"first: {next(iter(bad.values()))}",
                      "training stops at one, or with data.skip_broken takes other people in its "
                      "place", len(bad), examples_of(bad))
