"""`python main.py export --form`: the weights of a network for the code of another project."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nets.files.safetensors_file import safetensors_bytes
from nets.files.weights_file import HUGGING_FACE
from nets.official_forms import FORMS, assumed_otherwise, ensure_expressible, in_form
from processors.models.load_pose_model import load_pose_model
from processors.models.pose_model import PoseModel
from processors.publishing.portable import pth_bytes
from utils.errors import UserError
from utils.input_format import INPUT_FORMATS
from utils.log import log, show_log
from utils.outputs import ensure_output, ensure_outputs, marked_json, write_output

FOLDER = "vitpose_hf"       # the form that is a folder
KINDS = {"config.json": "JSON settings", "preprocessor_config.json": "JSON settings",
         HUGGING_FACE[0]: "safetensors"}


def export_form(weights: str | Path, out: Path, form: str, config: str | Path | None = None,
                overrides: Sequence[str] = ()) -> None:
    """Write the weights of a checkpoint under the names of another code, a key of FORMS
    (nets/official_forms.py): a .pth file that holds a state_dict, or a folder for transformers.

    What the other code assumes by itself and these weights want otherwise is warned about. Raises
    FileNotFoundError or UserError in one sentence, for a network that the form has no place for
    too.
    """
    show_log()
    if form == FOLDER:
        if out.suffix in (".pth", ".onnx", ".safetensors"):
            raise UserError(f"--out is {out}, but --form {form} is a folder: give the name of one")
        ensure_outputs(out, KINDS, "--out")
    else:
        if out.suffix.lower() != ".pth":
            raise UserError(f"--out is {out}: give a name that ends in .pth, which the code of "
                            f"--form {form} reads")
        ensure_output(out, "checkpoint", "--out", [weights])
    if str(weights).lower().endswith(".onnx"):
        raise UserError(f"{weights} is an ONNX file, which has no names of layers: give the "
                        f"checkpoint it was made of")
    model = load_pose_model(weights, "cpu", config, overrides)
    ensure_expressible(model.config.model, form)
    state = {name: value.contiguous() for name, value in
             in_form(model.network.state_dict(), model.config.model, form).items()}
    if form == FOLDER:
        texts = [marked_json(json.dumps(part(model), indent=2)) for part in (_network_of,
                                                                            _pixels_of)]
        for name, data in zip(KINDS, (*(text.encode() for text in texts),
                                      safetensors_bytes(state)), strict=True):
            write_output(out / name, data, "--out")
    else:
        content = {"meta": {}, "state_dict": state} if form == "mmpose" else state
        write_output(out, pth_bytes(content), "--out")
    codec = model.config.codec
    log.info("%s: %d tensors for %s; its settings are an input of %dx%d, pixels %s, alignment %s, "
             "sigma %g, %d joints", out, len(state), FORMS[form].about, *codec.input_size,
             model.input_format, codec.alignment, codec.sigma, model.skeleton.num_joints)
    if model.config.model.visibility:
        log.warning("the visibility output was left out, for which %s has no place",
                    FORMS[form].about)
    if words := assumed_otherwise(form, model.input_format, codec.alignment,
                                  pixels_are_said=form == FOLDER):
        log.warning("these weights want %s: set it there, or keypoints are off",
                    " and ".join(words))


def _network_of(model: PoseModel) -> dict[str, Any]:
    """config.json of transformers for a pose_vit; what is not here is as its defaults say."""
    vit: Any = model.network.backbone
    names = model.skeleton.joint_names
    layers = len(vit.blocks)
    return {
        "architectures": ["VitPoseForPoseEstimation"], "model_type": "vitpose",
        "scale_factor": 4, "use_simple_decoder": model.config.model.head == "simple",
        "id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)},
        "edges": model.skeleton.limbs,
        "backbone_config": {
            "model_type": "vitpose_backbone", "image_size": [vit.stride * n for n in vit.grid],
            "patch_size": [vit.stride, vit.stride], "hidden_size": vit.out_channels,
            "num_hidden_layers": layers, "num_attention_heads": vit.blocks[0].attn.heads,
            "layer_norm_eps": vit.last_norm.eps, "out_features": [f"stage{layers}"],
            "out_indices": [layers]}}


def _pixels_of(model: PoseModel) -> dict[str, Any]:
    """preprocessor_config.json of transformers. Raises UserError for pixels that it cannot make."""
    pixels, (width, height) = INPUT_FORMATS[model.input_format], model.codec.input_size
    if pixels.order != "rgb":
        raise UserError(f"--form {FOLDER} has RGB pixels, and these weights want "
                        f"model.input_format {model.input_format}: take another form")
    return {"image_processor_type": "VitPoseImageProcessor", "do_affine_transform": True,
            "size": {"height": height, "width": width}, "do_rescale": True,
            "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": pixels.mean,
            "image_std": pixels.std, "normalize_factor": 200.0}
