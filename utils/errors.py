"""UserError: a sentence for the user. Every other exception is a bug and keeps its traceback."""


class UserError(ValueError):
    """What is wrong, where (file and key), and the cure, in one sentence.

    The command line prints it and ends with status 2. A missing or unwritable file is an OSError
    with such a sentence, or with the system's own words.
    """
