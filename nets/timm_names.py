"""timm_names: what model.name may be for pose_timm, and the licences."""
from nets.pose.timm_backbone import import_timm
from utils.errors import UserError


def timm_names(pattern: str) -> dict[str, str]:
    """Names with pretrained weights that fit a pattern such as convnext_t*, and the licences that
    timm states for the weights. Raises UserError where timm is missing or nothing fits."""
    timm = import_timm()
    names = timm.list_models(pattern, pretrained=True)
    if not names:
        raise UserError(f"--backbones {pattern}: timm {timm.__version__} has no such name; write * "
                        f"for any letters, such as 'mobilenetv4*'")
    return {name: timm.get_pretrained_cfg(name).license or "not stated" for name in names}
