"""The protocol: everything AP depends on, in words."""
from configs.schema import CodecConfig, Config, ValConfig
from processors.evaluation.pycocotools_eval import MATCH
from utils.alignment import get_alignment
from utils.decoders import BLURRING, kernel_for


def protocol(config: Config, weights: str = "", sweep: bool = False) -> str:
    """Everything AP depends on, in words: belongs beside every AP that is shown.

    sweep: what is common to all decoders, with and without flip test.
    """
    codec, val, data = config.codec, config.val, config.data
    simcc = codec.kind == "simcc"
    decoder, mirrored, alignment = (_simcc if simcc else _heatmaps)(codec, sweep)
    boxes = ("ground truth" if val.ground_truth_boxes else
             f"detections of {val.boxes} with a score of at least {val.box_score:g}"
             + (", on the images it names only" if val.only_images_with_boxes else ""))
    nms = {"oks": f"OKS-NMS at {val.nms_threshold:g}", "none": "none",
           "soft_oks": f"soft OKS-NMS at {val.nms_threshold:g}"}[val.nms]
    lines = {
        "annotations": data.val_ann_path or "synthetic",
        "boxes": boxes,
        "input": f"{codec.input_size[0]}x{codec.input_size[1]} (width x height), "
                 f"{config.model.input_format}",
        "network": ("that of the ONNX file" if weights.lower().endswith(".onnx")
                    else str(config.model)),
        "weights": weights or "not stated",
        "flip test": (f"with and without; with: {mirrored}" if sweep else
                      mirrored if val.flip_test else "no"),
        "decoder": decoder,
        "alignment": alignment,
        "pose score": f"{val.score_rule}: {_score_in_words(val)}",
        "NMS": nms,
        "judge": "arrays, equal to pycocotools" if val.judge == "auto" else val.judge,
    }
    if "wholebody" in val.metrics:
        lines["parts"] = ("each with the score of the whole pose; medium and large by the box "
                          "around the part body, or around all joints without one")
    if set(val.metrics) - {"coco", "crowdpose", "wholebody"}:
        lines["joints"] = (
            "compared in each annotated box, before NMS" if val.ground_truth_boxes else
            f"compared in pairs of person and pose, by falling OKS down to {MATCH:g}")
    images = [f"EXIF orientation: {data.exif} (data.exif)"] * (data.exif != "default")
    images += [f"{data.bits} of 16 bits in use (data.bits)"] * bool(data.bits)
    if images:
        lines["images"] = ", ".join(images)
    if data.debug:
        lines["people"] = f"only the first {int(data.debug)} (data.debug)"
    return "\n".join(f"{name + ':':<13}{text}" for name, text in lines.items())


def _heatmaps(codec: CodecConfig, sweep: bool) -> tuple[str, str, str]:
    """Decoder, flip test and alignment of heatmaps."""
    alignment = get_alignment(codec.alignment)
    decoder = alignment.decoders[0] if codec.decoder == "default" else codec.decoder
    kernel = codec.blur_kernel or kernel_for(codec.sigma)
    if sweep:
        decoder = f"each one ({' and '.join(BLURRING)} with kernel {kernel})"
    elif decoder in BLURRING:
        decoder += f" (kernel {kernel})"
    encoding = alignment.encodings[0] if codec.encoding == "default" else codec.encoding
    return (decoder, "heatmaps averaged with those of the mirror image, shifted by "
                     f"{alignment.flip_shift} px",
            f"{codec.alignment}, encoding {encoding}, sigma {codec.sigma:g}")


def _simcc(codec: CodecConfig, sweep: bool) -> tuple[str, str, str]:
    """The same of SimCC's vectors, which have one decoder."""
    x, y = codec.bin_sigma
    return ("the highest bins, with the smaller maximum as score",
            "vectors averaged with those of the mirror image, not shifted",
            f"{codec.alignment}, SimCC with {codec.split} bins a pixel, sigma {x:g} and {y:g} bins"
            + (", of sum 1" if codec.normalize else ""))


def _score_in_words(val: ValConfig) -> str:
    if val.score_rule == "visibility":
        return "box score * mean of the joint scores, weighed by how likely each is not absent"
    if val.score_rule == "alphapose":
        words = "mean + 1.25 * max of joint scores"
        return words if val.ground_truth_boxes else f"box score + {words}"
    if val.score_rule == "simplepose" and val.ground_truth_boxes:
        return "mean + max of joint scores"
    return f"box score * mean of the joint scores above {val.joint_score:g}"
