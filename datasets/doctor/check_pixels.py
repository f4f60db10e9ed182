"""How the pixels of image files are stored: their size, EXIF orientation, and bits."""
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from datasets.crops.image_files import missing_files, spread
from datasets.crops.image_header import ImageHeader, Size, read_header
from datasets.crops.images import ImageError, bits_of, read_image
from datasets.doctor.finding import Finding, examples_of, is_serious
from datasets.doctor.raw_labels import RawLabels
from utils.errors import UserError

MOST_HEADERS = 3000     # files opened for their size: seconds on a disk, a minute on a network
MOST_DECODED = 100      # of 16 bits, for the values in them


def image_sizes(labels: RawLabels) -> Iterator[Finding]:
    """Images of another size than the file says, and such as cannot be read."""
    headers, broken = read_headers(labels)
    total, turned, wrong = len(headers) + len(broken), 0, []
    for row, header in headers.items():
        stated, size = stated_size(labels, row), header.size
        if stated not in (size, header.upright_size):
            turned += size == stated[::-1]
            wrong.append(f"{labels.file_names[row]} is {size[0]}x{size[1]}, not "
                         f"{stated[0]}x{stated[1]}")
    if wrong:
        hint = ("; width and height are exchanged, as by a tool that obeyed an orientation in the "
                "EXIF data, which is no longer there" if turned == len(wrong) else "")
        yield Finding(f"{len(wrong)} of the {total} images looked at have another size than the "
                      f"file says{hint}", "training stops at them, for joints and boxes would be "
                      "in the wrong places: label these images anew, or give the images that were "
                      "labelled", len(wrong), examples_of(wrong))
    if broken:
        yield Finding(f"{len(broken)} of the {total} images looked at cannot be read", "training "
                      "stops at them, or with data.skip_broken goes on without: copy them again",
                      len(broken), examples_of(broken))


def orientations(labels: RawLabels) -> Iterator[Finding]:
    """EXIF orientations, which the stated sizes settle or leave to data.exif."""
    headers, _ = read_headers(labels)
    proofs = Counter(header.proven(stated_size(labels, row)) for row, header in headers.items())
    exif, looked = labels.part.exif, f"of the {len(headers)} images looked at"
    if proofs["obey"]:
        yield Finding(f"{proofs['obey']} {looked} are labelled as their EXIF orientation shows "
                      "them, which the stated size proves", "nothing: they are read so, but other "
                      "programs may read them as stored", proofs["obey"], serious=False)
    left = [row for row, header in headers.items() if not labels.images.exif[row]
            and header.leaves_open(stated_size(labels, row))]
    if not left:
        return
    others = max(("obey", "ignore"), key=lambda choice: proofs[choice])
    known = proofs["obey"] != proofs["ignore"]
    hint = (f"; those whose size proves something say {others}, {proofs[others]} to "
            f"{proofs['obey'] + proofs['ignore'] - proofs[others]}" if known else "")
    contradicts = known and (exif == "obey") != (others == "obey")
    yield Finding(f"{len(left)} {looked} have an EXIF orientation that their stated size leaves "
                  "open (mirrored, upside down, square), and are read "
                  f"{'upright' if exif == 'obey' else 'as stored'} (data.exif: {exif}){hint}",
                  "joints are in wrong places if the labels were made otherwise: set data.exif to "
                  "obey if the tool showed the pictures upright, as most do, else to ignore",
                  len(left), examples_of(labels.file_names[row] for row in left),
                  serious=(contradicts or exif == "default" and not known)
                  and is_serious(len(left), len(headers)))


def bit_depths(labels: RawLabels) -> Iterator[Finding]:
    """Images of 16 bits a value that use a small part of them, or some more than others."""
    headers, _ = read_headers(labels)
    deep = [row for row, header in headers.items() if header.deep]
    found, odd = Counter[int](), []
    for row in spread(deep, MOST_DECODED):
        name = str(labels.file_names[row])
        try:
            found[bits_of(labels.part.img_root / name)] += 1
        except ImageError:
            continue        # image_sizes tells of it
        except UserError as error:
            odd.append(f"{name}: {error}")
    del found[0]
    if odd and not labels.part.bits:
        yield Finding(f"{len(odd)} of {found.total() + len(odd)} images looked at that have 16 "
                      "bits a value would be one grey", "training stops at them, or with "
                      "data.skip_broken goes on without: convert them to 8 bits", len(odd),
                      examples_of(odd))
    most, bits = max(found, default=0), labels.part.bits
    count = f"{found.total()} images looked at that have 16 bits a value"
    listed = " and ".join(f"{depth} ({number} images)" for depth, number in sorted(found.items()))
    if bits and most > bits:
        yield Finding(f"of the {count} some use {most} bits, more than data.bits, {bits}", "what "
                      f"is brighter becomes white: set data.bits to {most}", found[most])
    elif not bits and len(found) > 1:
        yield Finding(f"the {count} use {listed} of them, and each is scaled by its own",
                      f"brightness changes from image to image: set data.bits to {most}, what the "
                      "camera has", found.total())
    elif found and most < 16:
        yield Finding(f"the {count} use {listed} of them", "nothing: they are scaled by "
                      f"{bits or most} bits; data.bits says how many to take for all images",
                      found.total(), serious=False)


@lru_cache(maxsize=1)       # for the checks of one set
def read_headers(labels: RawLabels) -> tuple[dict[int, ImageHeader], list[str]]:
    """Headers by the rows of images that are there, at most MOST_HEADERS, evenly spread, and what
    is wrong with those that cannot be read."""
    gone = set(missing_files(labels.part.img_root, labels.file_names.tolist()))
    rows = [row for row, name in enumerate(labels.file_names.tolist()) if name not in gone]
    headers, broken = {}, []
    for row in spread(rows, MOST_HEADERS):
        name = str(labels.file_names[row])
        try:
            headers[row] = header_of(labels.part.img_root / name)
        except (ValueError, OSError) as error:
            broken.append(f"{name} {getattr(error, 'strerror', None) or error}")
    return headers, broken


def stated_size(labels: RawLabels, row: int) -> Size:
    width, height = labels.image_sizes[row].astype(int).tolist()
    return width, height


def header_of(path: Path) -> ImageHeader:
    """By the header, or by decoding what has none that is read, which may be deep. Raises
    UserError and OSError."""
    if header := read_header(path):
        return header
    try:
        height, width = read_image(path).shape[:2]
    except ImageError:
        raise UserError("is no image") from None
    return ImageHeader((width, height), deep=True)
