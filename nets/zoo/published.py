"""The one table of published weights: names, addresses, licences, and the settings they bring.

mmpose's rows are of its model index (open-mmlab/mmpose, commit 759b39c): AP is its authors', and
eight hex digits in the name of a file, before its date, are the beginning of its sha256. Left out
is what no network here can load: mmpose's SE-ResNets (another SE), UDP by regression, the net of 19
joints (aic "combine"); and ResNet-101 at 384x288, whose entry has the address of another file. Of
whole-body networks only HRNet and RTMPose are here.
"""
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from configs.loader import config_from_dict
from configs.schema import Config

Settings = Mapping[str, Any]
SHA256 = re.compile(r"-([0-9a-f]{8})(_\d{8})?\.pth$")     # its beginning, in a file's name
PROTOCOL = "COCO val2017, boxes of person AP 56.4, flip test"
WHOLE_PROTOCOL = "COCO-WholeBody 1.0 val, boxes of person AP 56.4, flip test (wholebody AP)"
BOXES = "COCO val2017, boxes of all classes"
RULES = {"flip_test": True, "score_rule": "hrnet", "joint_score": 0.2, "nms": "oks",
         "nms_threshold": 0.9}
VITPOSE_TERMS = ("trained on from MAE's weights, which are under CC BY-NC 4.0 (no commercial use): "
                 "whether that reaches them is for you to judge")
YOLO_TERMS = ("Ultralytics holds that programs which use them fall under it: detector.type="
              "torchvision finds people without this term")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A row. Of `address` and `place` one is given."""
    name: str
    address: str = ""           # where the file is fetched
    place: str = ""             # or where a checkpoint lies in this project, relative to main.py;
    #                             its settings are in it
    digits: str = ""            # of the sha256, the first eight, where the address has none
    licence: str
    terms: str = ""             # where the licence does not allow every use: what to know
    ap: float | None = None     # as its authors state it, of keypoints or of a detector's boxes
    protocol: str = ""          # what that AP was measured with
    megabytes: float | None = None      # of the file; None: unknown
    source: str | None = None   # its code base, a key of SOURCES (nets/files/sources.py)
    sections: Mapping[str, Settings] = field(default_factory=dict)     # of the Config

    @property
    def sha256(self) -> str:
        """The first eight hex digits, or "" where nobody states them."""
        found = SHA256.search(self.address)
        return found[1] if found else self.digits

    @property
    def shown_ap(self) -> str:
        """AP with what it stands on, "" where it is not known."""
        return "" if self.ap is None else f"AP {self.ap:.3f} on {self.protocol}"

    @property
    def kind(self) -> str:
        return "detector" if "detector" in self.sections else "pose network"

    def config(self) -> Config:
        """The whole settings of the weights, with the protocol they are judged by but for its
        boxes, which no address gives."""
        return config_from_dict({"model_name": self.name.replace("/", "_"), **self.sections},
                                self.name)


MMPOSE = "https://download.openmmlab.com/mmpose/"
COCO = "v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_"
AUGMENTED = "top_down/augmentation/hrnet_w32_coco_256x192_"
W32 = {"type": "pose_hrnet", "name": "w32"}
W48 = {"type": "pose_hrnet", "name": "w48"}
R50 = {"type": "pose_resnet_dconv", "name": "resnet50"}
R101 = {"type": "pose_resnet_dconv", "name": "resnet101"}
R152 = {"type": "pose_resnet_dconv", "name": "resnet152"}
PLAIN = {"input_size": [192, 256], "sigma": 2, "alignment": "hrnet", "encoding": "rounded",
         "decoder": "quarter"}
LARGE = {"input_size": [288, 384], "sigma": 3}
DARK = PLAIN | {"encoding": "exact", "decoder": "gauss_taylor"}     # not in DarkPose's geometry
UDP = DARK | {"alignment": "udp", "blur_kernel": 11}    # at both sizes; DARK's grows with sigma
HEATMAP_NETS = (    # name behind mmpose/, AP, model, codec, file
    ("hrnet_w32_256x192", .746, W32, PLAIN,
     f"{COCO}hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth"),
    ("hrnet_w32_384x288", .760, W32, PLAIN | LARGE,
     f"{COCO}hrnet-w32_8xb64-210e_coco-384x288-ca5956af_20220909.pth"),
    ("hrnet_w48_256x192", .756, W48, PLAIN,
     f"{COCO}hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth"),
    ("hrnet_w48_384x288", .767, W48, PLAIN | LARGE,
     f"{COCO}hrnet-w48_8xb32-210e_coco-384x288-c161b7de_20220915.pth"),
    ("hrnet_w32_fp16_256x192", .749, W32, PLAIN,
     f"{COCO}hrnet-w32_fp16-8xb64-210e_coco-256x192-f1e84e3b_20220914.pth"),
    ("hrnet_w32_aic_merge_256x192", .757, W32, PLAIN,
     f"{COCO}hrnet-w32_8xb64-210e_coco-aic-256x192-merge-b05435b9_20221025.pth"),
    ("hrnet_w32_coarsedropout_256x192", .753, W32, PLAIN,
     f"{AUGMENTED}coarsedropout-0f16a0ce_20210320.pth"),
    ("hrnet_w32_gridmask_256x192", .752, W32, PLAIN, f"{AUGMENTED}gridmask-868180df_20210320.pth"),
    ("hrnet_w32_photometric_256x192", .754, W32, PLAIN,
     f"{AUGMENTED}photometric-308cf591_20210320.pth"),
    ("hrnet_w32_dark_256x192", .757, W32, DARK,
     f"{COCO}hrnet-w32_dark-8xb64-210e_coco-256x192-0e00bf12_20220914.pth"),
    ("hrnet_w32_dark_384x288", .766, W32, DARK | LARGE,
     f"{COCO}hrnet-w32_dark-8xb64-210e_coco-384x288-9bab4c9b_20220917.pth"),
    ("hrnet_w48_dark_256x192", .764, W48, DARK,
     f"{COCO}hrnet-w48_dark-8xb32-210e_coco-256x192-e1ebdd6f_20220913.pth"),
    ("hrnet_w48_dark_384x288", .772, W48, DARK | LARGE,
     f"{COCO}hrnet-w48_dark-8xb32-210e_coco-384x288-39c3c381_20220916.pth"),
    ("hrnet_w32_udp_256x192", .762, W32, UDP,
     f"{COCO}hrnet-w32_udp-8xb64-210e_coco-256x192-73ede547_20220914.pth"),
    ("hrnet_w32_udp_384x288", .768, W32, UDP | LARGE,
     f"{COCO}hrnet-w32_udp-8xb64-210e_coco-384x288-9a3f7c85_20220914.pth"),
    ("hrnet_w48_udp_256x192", .768, W48, UDP,
     f"{COCO}hrnet-w48_udp-8xb32-210e_coco-256x192-3feaef8f_20220913.pth"),
    ("hrnet_w48_udp_384x288", .773, W48, UDP | LARGE,
     f"{COCO}hrnet-w48_udp-8xb32-210e_coco-384x288-70d7ab01_20220913.pth"),
    ("resnet50_256x192", .718, R50, PLAIN,
     f"{COCO}res50_8xb64-210e_coco-256x192-04af38ce_20220923.pth"),
    ("resnet50_384x288", .731, R50, PLAIN | LARGE,
     f"{COCO}res50_8xb64-210e_coco-384x288-7b8db90e_20220923.pth"),
    ("resnet50_fp16_256x192", .716, R50, PLAIN,
     f"{COCO}res50_fp16-8xb64-210e_coco-256x192-463da051_20220927.pth"),
    ("resnet101_256x192", .728, R101, PLAIN,
     f"{COCO}res101_8xb64-210e_coco-256x192-065d3625_20220926.pth"),
    ("resnet152_256x192", .736, R152, PLAIN,
     f"{COCO}res152_8xb32-210e_coco-256x192-0345f330_20220928.pth"),
    ("resnet152_384x288", .750, R152, PLAIN | LARGE,
     f"{COCO}res152_8xb32-210e_coco-384x288-7fbb906f_20220927.pth"),
    ("resnet50_dark_256x192", .724, R50, DARK,
     f"{COCO}res50_dark-8xb64-210e_coco-256x192-c129dcb6_20220926.pth"),
    ("resnet50_dark_384x288", .735, R50, DARK | LARGE,
     f"{COCO}res50_dark-8xb64-210e_coco-384x288-8b90b538_20220926.pth"),
    ("resnet101_dark_256x192", .733, R101, DARK,
     f"{COCO}res101_dark-8xb64-210e_coco-256x192-528ec248_20220926.pth"),
    ("resnet101_dark_384x288", .749, R101, DARK | LARGE,
     f"{COCO}res101_dark-8xb64-210e_coco-384x288-487d40a4_20220926.pth"),
    ("resnet152_dark_256x192", .743, R152, DARK,
     f"{COCO}res152_dark-8xb32-210e_coco-256x192-f754df5f_20221031.pth"),
    ("resnet152_dark_384x288", .757, R152, DARK | LARGE,
     f"{COCO}res152_dark-8xb32-210e_coco-384x288-329f8454_20221031.pth"))
RTM = "v1/projects/rtmposev1/"
SIMCC = {"kind": "simcc", "input_size": [192, 256], "split": 2, "alignment": "hrnet"}
RTMPOSE = SIMCC | {"bin_sigma": [4.9, 5.66], "normalize": False}
RTMPOSE_LARGE = RTMPOSE | {"input_size": [288, 384], "bin_sigma": [6, 6.93]}
SIMCC_R50 = R50 | {"head": "simcc"}
VECTOR_NETS = (     # name behind mmpose/, AP, size of CSPNeXt, codec, file behind rtmpose-
    ("rtmpose_t_256x192", .682, "t", RTMPOSE,
     "tiny_simcc-coco_pt-aic-coco_420e-256x192-e613ba3f_20230127.pth"),
    ("rtmpose_s_256x192", .716, "s", RTMPOSE,
     "s_simcc-coco_pt-aic-coco_420e-256x192-8edcf0d7_20230127.pth"),
    ("rtmpose_m_256x192", .746, "m", RTMPOSE,
     "m_simcc-coco_pt-aic-coco_420e-256x192-d8dd5ca4_20230127.pth"),
    ("rtmpose_l_256x192", .758, "l", RTMPOSE,
     "l_simcc-coco_pt-aic-coco_420e-256x192-1352a4d2_20230127.pth"),
    ("rtmpose_t_aic_256x192", .685, "t", RTMPOSE,
     "tiny_simcc-aic-coco_pt-aic-coco_420e-256x192-cfc8f33d_20230126.pth"),
    ("rtmpose_s_aic_256x192", .722, "s", RTMPOSE,
     "s_simcc-aic-coco_pt-aic-coco_420e-256x192-fcb2599b_20230126.pth"),
    ("rtmpose_m_aic_256x192", .758, "m", RTMPOSE,
     "m_simcc-aic-coco_pt-aic-coco_420e-256x192-63eb25f7_20230126.pth"),
    ("rtmpose_l_aic_256x192", .765, "l", RTMPOSE,
     "l_simcc-aic-coco_pt-aic-coco_420e-256x192-f016ffe0_20230126.pth"),
    ("rtmpose_m_aic_384x288", .770, "m", RTMPOSE_LARGE,
     "m_simcc-aic-coco_pt-aic-coco_420e-384x288-a62a0b32_20230228.pth"),
    ("rtmpose_l_aic_384x288", .773, "l", RTMPOSE_LARGE,
     "l_simcc-aic-coco_pt-aic-coco_420e-384x288-97d6cb0f_20230228.pth"))
SIMCC_RESNETS = (   # name behind mmpose/, AP, codec, file behind simcc_res50_
    ("simcc_resnet50_256x192", .721, SIMCC, "8xb64-210e_coco-256x192-8e0f5b59_20220919.pth"),
    ("simcc_resnet50_384x288", .735, SIMCC | {"input_size": [288, 384]},
     "8xb32-140e_coco-384x288-45c3ba34_20220913.pth"))
CSPNEXTS = (        # name behind mmpose/, AP, size, file behind cspnext-: RTMPose's beginnings
    ("cspnext_t_udp_256x192", .665, "t",
     "tiny_udp-coco_pt-in1k_210e-256x192-0908dd2d_20230123.pth"),
    ("cspnext_s_udp_256x192", .697, "s", "s_udp-coco_pt-in1k_210e-256x192-92dbfc1d_20230123.pth"),
    ("cspnext_m_udp_256x192", .732, "m", "m_udp-coco_pt-in1k_210e-256x192-95f5967e_20230123.pth"),
    ("cspnext_l_udp_256x192", .750, "l", "l_udp-coco_pt-in1k_210e-256x192-661cdd8c_20230123.pth"),
    ("cspnext_t_udp_aic_256x192", .655, "t",
     "tiny_udp-aic-coco_210e-256x192-cbed682d_20230130.pth"),
    ("cspnext_s_udp_aic_256x192", .700, "s", "s_udp-aic-coco_210e-256x192-92f5a029_20230130.pth"),
    ("cspnext_m_udp_aic_256x192", .748, "m", "m_udp-aic-coco_210e-256x192-f2f7d6f6_20230130.pth"),
    ("cspnext_l_udp_aic_256x192", .772, "l", "l_udp-aic-coco_210e-256x192-273b7631_20230130.pth"))
VITPOSES = (        # name behind mmpose/, AP, name of the model, head, file behind td-hm_ViTPose-
    ("vitpose_s", .739, "s", "classic", "small_8xb64-210e_coco-256x192-62d7a712_20230314.pth"),
    ("vitpose_b", .757, "b", "classic", "base_8xb64-210e_coco-256x192-216eae50_20230314.pth"),
    ("vitpose_l", .782, "l", "classic", "large_8xb64-210e_coco-256x192-53609f55_20230314.pth"),
    ("vitpose_h", .788, "h", "classic", "huge_8xb64-210e_coco-256x192-e32adcd4_20230314.pth"),
    ("vitpose_s_simple", .736, "s", "simple",
     "small-simple_8xb64-210e_coco-256x192-4c101a76_20230314.pth"),
    ("vitpose_b_simple", .756, "b", "simple",
     "base-simple_8xb64-210e_coco-256x192-0b8234ea_20230407.pth"),
    ("vitpose_l_simple", .780, "l", "simple",
     "large-simple_8xb64-210e_coco-256x192-3a7ee9e1_20230314.pth"),
    ("vitpose_h_simple", .789, "h", "simple",
     "huge-simple_8xb64-210e_coco-256x192-ffd48c05_20230314.pth"))
WHOLE_BODY_NETS = (     # as HEATMAP_NETS, for 133 joints; the AP is that of the whole body
    ("hrnet_w32_wholebody_256x192", .536, W32, PLAIN,
     "hrnet_w32_coco_wholebody_256x192-853765cd_20200918.pth"),
    ("hrnet_w32_wholebody_384x288", .586, W32, PLAIN | LARGE,
     "hrnet_w32_coco_wholebody_384x288-78cacac3_20200922.pth"),
    ("hrnet_w48_wholebody_256x192", .579, W48, PLAIN,
     "hrnet_w48_coco_wholebody_256x192-643e18cb_20200922.pth"),
    ("hrnet_w48_wholebody_384x288", .632, W48, PLAIN | LARGE,
     "hrnet_w48_coco_wholebody_384x288-6e061c6a_20200922.pth"),
    ("hrnet_w32_wholebody_dark_256x192", .582, W32, DARK,
     "hrnet_w32_coco_wholebody_256x192_dark-469327ef_20200922.pth"),
    ("hrnet_w48_wholebody_dark_384x288", .661, W48, DARK | LARGE,
     "hrnet_w48_coco_wholebody_384x288_dark-f5726563_20200918.pth"))
WHOLE_BODY_RTMPOSES = (     # as VECTOR_NETS
    ("rtmpose_m_wholebody_256x192", .582, "m", RTMPOSE, "256x192-cd5e845c_20230123.pth"),
    ("rtmpose_l_wholebody_256x192", .611, "l", RTMPOSE, "256x192-6f206314_20230124.pth"),
    ("rtmpose_l_wholebody_384x288", .648, "l", RTMPOSE_LARGE, "384x288-eaeb96c8_20230125.pth"))
TORCHVISION = (     # name behind torchvision/, AP, file behind the name, MB: as torchvision says
    ("fasterrcnn_resnet50_fpn_v2", .467, "_coco-dd69338a.pth", 167.1),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", .228, "-907ea3f9.pth", 74.2),
    ("ssdlite320_mobilenet_v3_large", .213, "_coco-a79551df.pth", 13.4))
YOLOV5 = (("yolov5n", .280), ("yolov5s", .374), ("yolov5m", .454), ("yolov5l", .490),
          ("yolov5x", .507))


def _mmpose(name: str, ap: float, file: str, source: str, model: Settings, codec: Settings,
            terms: str = "") -> Published:
    return Published(name=f"mmpose/{name}", address=MMPOSE + file, ap=ap, protocol=PROTOCOL,
                     licence="Apache-2.0", terms=terms, source=source,
                     sections={"model": model, "codec": codec, "val": RULES})


def _whole_body(name: str, ap: float, file: str, source: str, model: Settings, codec: Settings,
                ) -> Published:
    row = _mmpose(name, ap, file, source, {**model, "num_joints": 133}, codec)
    return replace(row, protocol=WHOLE_PROTOCOL, sections={
        **row.sections, "data": {"skeleton": "coco_wholebody"},
        "val": {**RULES, "metrics": ["coco", "wholebody"], "best": "wholebody AP"}})


ROWS = (
    Published(name="simplepose/r18_160x128", place="weights/simplepose_r18_160x128.pth",
              digits="01ad340a", licence="MIT", ap=.307,
              protocol="390 people of 150 COCO train2017 images at half size, true boxes, flip "
                       "test"),
    *(_mmpose(name, ap, file, "mmpose_udp" if codec["alignment"] == "udp" else "mmpose", model,
              codec) for name, ap, model, codec, file in HEATMAP_NETS),
    *(_mmpose(name, ap, f"{COCO}ViTPose-{file}", "vitpose",
              {"type": "pose_vit", "name": size, "head": head}, UDP, VITPOSE_TERMS)
      for name, ap, size, head, file in VITPOSES),
    *(_mmpose(name, ap, f"{RTM}rtmpose-{file}", "rtmpose",
              {"type": "pose_cspnext", "name": size, "head": "rtmcc"}, codec)
      for name, ap, size, codec, file in VECTOR_NETS),
    *(_mmpose(name, ap, f"{RTM}cspnext-{file}", "mmpose_udp",
              {"type": "pose_cspnext", "name": size}, UDP) for name, ap, size, file in CSPNEXTS),
    *(_mmpose(name, ap, f"v1/body_2d_keypoint/simcc/coco/simcc_res50_{file}", "mmpose", SIMCC_R50,
              codec) for name, ap, codec, file in SIMCC_RESNETS),
    *(_whole_body(name, ap, f"top_down/hrnet/{file}", "mmpose", model, codec)
      for name, ap, model, codec, file in WHOLE_BODY_NETS),
    *(_whole_body(name, ap, f"{RTM}rtmpose-{size}_simcc-coco-wholebody_pt-aic-coco_270e-{file}",
                  "rtmpose", {"type": "pose_cspnext", "name": size, "head": "rtmcc"}, codec)
      for name, ap, size, codec, file in WHOLE_BODY_RTMPOSES),
    *(Published(name=f"torchvision/{name}", ap=ap, protocol=BOXES, megabytes=megabytes,
                address=f"https://download.pytorch.org/models/{name}{end}",
                licence="BSD-3-Clause",
                sections={"detector": {"type": "torchvision", "name": name}})
      for name, ap, end, megabytes in TORCHVISION),
    *(Published(name=name, ap=ap, protocol=BOXES, licence="AGPL-3.0", terms=YOLO_TERMS,
                address=f"https://github.com/ultralytics/yolov5/releases/download/v7.0/{name}.pt",
                sections={"detector": {"type": "yolov5"}})
      for name, ap in YOLOV5))
PUBLISHED = {row.name: row for row in ROWS}
# What is taken where the user names nothing: never what has terms
FREE_POSE, FREE_DETECTOR = "mmpose/hrnet_w32_udp_256x192", "torchvision/fasterrcnn_resnet50_fpn_v2"
