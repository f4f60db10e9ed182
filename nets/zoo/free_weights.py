"""What is taken where the user names no weights: published ones under free licences."""
from nets.zoo.published import FREE_DETECTOR, FREE_POSE, PUBLISHED, Published
from nets.zoo.weights_by_name import local_file
from utils.errors import UserError
from utils.log import log


def free_pose() -> Published:
    """A pose network: the published one, or that of this project where it cannot be had.

    Raises UserError that says what to fetch by hand.
    """
    problems = []
    ours = (row for row in PUBLISHED.values() if row.place and row.kind == "pose network")
    for row in (PUBLISHED[FREE_POSE], *ours):
        try:
            local_file(row)
        except (UserError, OSError) as error:
            problems.append(str(error))
            continue
        if problems:
            log.warning("%s; %s, which comes with this project, is taken", problems[0], row.name)
        return row
    raise UserError(f"no --weights are given, and {'; '.join(problems)}; the file of "
                    f"{PUBLISHED[FREE_DETECTOR].address}, which finds the people, likewise")


def free_detector() -> Published | None:
    """A detector; None, with a warning, where it cannot be had."""
    row = PUBLISHED[FREE_DETECTOR]
    try:
        local_file(row)
    except (UserError, OSError) as error:
        log.warning("nobody looks for the people in a picture: %s", error)
        return None
    return row
