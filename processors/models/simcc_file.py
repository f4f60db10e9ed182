"""ONNX files of RTMPose and SimCC, as mmdeploy writes and rtmlib runs them: two outputs, simcc_x
and simcc_y (B, K, bins). They say nothing of themselves; what all published ones have in common is
assumed here, and said.
"""
from configs.schema import CodecConfig, Config, DataConfig, ModelConfig
from datasets.annotations.skeleton import load_skeleton
from utils.errors import UserError
from utils.log import log

OUTPUTS = ("simcc_x", "simcc_y")
SKELETONS = ("coco", "mpii", "crowdpose", "halpe26", "hand21", "coco_wholebody")   # of such files


def assumed_config(name: str, sides: tuple[int | None, ...], joints: int, bins: tuple[int, int],
                   ) -> Config:
    """The settings of a file that does not say them. name: of the file. sides: (height, width) of
    the images that it takes; None: any. joints, bins: that it gives, in x and in y.

    Raises UserError where they are not those of RTMPose.
    """
    height, width = sides
    skeletons = {load_skeleton(one).num_joints: one for one in SKELETONS}
    problem = ""
    if not height or not width:
        problem = "takes images of any size"
    elif bins[0] % width or bins[0] * height != bins[1] * width:
        problem = (f"gives {bins[0]} and {bins[1]} bins for {width}x{height} pixels, which is no "
                   f"whole number a pixel")
    elif joints not in skeletons:
        problem = f"gives {joints} joints, a number that no skeleton here has"
    if problem or not height or not width:
        raise UserError(f"{name} does not say how to use it and {problem}: write a YAML beside it "
                        f"with codec.kind: simcc, model.head: simcc, codec.input_size, codec.split "
                        f"and data.skeleton")
    log.info("%s does not say how to use it, and is taken as RTMPose: images of %dx%d in RGB "
             "(which it was trained on, though rtmlib gives BGR), mean and std of ImageNet, "
             "skeleton %s, score the smaller maximum; a YAML beside it says otherwise", name, width,
             height, skeletons[joints])
    return Config(data=DataConfig(skeleton=skeletons[joints]),
                  model=ModelConfig(head="simcc", num_joints=joints),
                  codec=CodecConfig(kind="simcc", input_size=(width, height),
                                    split=bins[0] // width))
