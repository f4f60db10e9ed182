"""The joints of COCO as people spell them."""
SPELLINGS = {
    "L_Eye": lambda side, part: f"{side[0].upper()}_{part.title()}",
    "eye_l": lambda side, part: f"{part}_{side[0]}",
    "LEye": lambda side, part: side[0].upper() + part.title(),
    "leye": lambda side, part: side[0] + part,
    "LEYE": lambda side, part: (side[0] + part).upper(),
    "eyeL": lambda side, part: part + side[0].upper(),
    "l.eye": lambda side, part: f"{side[0]}.{part}",
    "LEFT_EYE": lambda side, part: f"{side}_{part}".upper(),
    "Left Eye": lambda side, part: f"{side} {part}".title(),
    "left-eye": lambda side, part: f"{side}-{part}",
    "Left_eye": lambda side, part: f"{side.title()}_{part}",
    "leftEye": lambda side, part: side + part.title(),
    "lefteye": lambda side, part: side + part,
    "Eye_Left": lambda side, part: f"{part}_{side}".title(),
    "左eye": lambda side, part: {"left": "左", "right": "右"}[side] + part,
}
AI_CHALLENGER = ["Right Shoulder", "Right Elbow", "Right Wrist", "Left Shoulder", "Left Elbow",
                 "Left Wrist", "Right Hip", "Right Knee", "Right Ankle", "Left Hip", "Left Knee",
                 "Left Ankle", "Head top", "Neck"]


def spelled(names, spelling: str) -> list[str]:
    """The names of COCO's joints in one of SPELLINGS."""
    pairs = [name.split("_") for name in names]
    return [SPELLINGS[spelling](*pair) if len(pair) > 1 else pair[0] for pair in pairs]
