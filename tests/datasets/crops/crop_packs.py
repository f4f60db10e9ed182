"""A small data set, and how the tests read it from a pack."""
from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO

COCO = load_skeleton("coco")
AUGMENT = AugmentConfig(rotation=30, scale=0.25, half_body=0.5)
INPUT_SIZE = (48, 64)


def packed(files, path, augment=AUGMENT, **settings) -> MSCOCO:
    return MSCOCO(*files, COCO, augment=augment, pack=path, **{"input_size": INPUT_SIZE} | settings)
