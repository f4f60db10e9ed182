"""The optional package timm, and the names of the weights that it publishes."""
from typing import Any

from utils.errors import UserError


def import_timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise UserError("model.type pose_timm needs the package timm: pip install timm") from error
    return timm


def timm_names(pattern: str) -> dict[str, str]:
    """Names with pretrained weights that fit a pattern such as convnext_t*, and the licences that
    timm states for the weights. Raises UserError where timm is missing or nothing fits."""
    timm = import_timm()
    names = timm.list_models(pattern, pretrained=True)
    if not names:
        raise UserError(f"--backbones {pattern}: timm {timm.__version__} has no such name; write * "
                        f"for any letters, such as 'mobilenetv4*'")
    return {name: timm.get_pretrained_cfg(name).license or "not stated" for name in names}
