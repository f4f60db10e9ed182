"""An import written into a file, as the command does it."""
from datasets.imports.write_coco import write_coco


def write(found, folder, skeleton, notes):
    return write_coco(found[0], found[1], skeleton, "stick", folder / "out.json", notes)
