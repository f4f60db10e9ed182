"""COCO's ten numbers out of arrays: OKS, matching, precision and recall, as pycocotools has them to
the last digit; and hotcoco, which may be asked instead."""
