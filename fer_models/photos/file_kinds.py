"""Which files are photos, by name; side files are recognised by their endings."""

import os

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
TABLES = (".csv", ".tsv")  # endings of files that are read as tables
TABLE, PACKED = "a table", "an archive, still packed"  # kinds of files
BOOKS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_SIDE = """
    7z aae avi bak bin bz2 cfg conf csv db doc docx gz h5 htm html ini ipynb js json jsonl landmarks
    license lnk log mat md md5 mov mp3 mp4 npy npz onnx parquet part pdf pkl pt pth pts py rar rst
    safetensors sh sha256 sqlite tar tgz thm tmp toml tsv txt url wav xls xlsx xml xmp xz yaml yml zip
"""
SIDE_FILES = frozenset(f".{ending}" for ending in _SIDE.split())
_PHOTOS = frozenset(
    f".{ending}"
    for ending in [
        "apng",
        "avif",
        "avifs",
        "bmp",
        "dib",
        "gif",
        "heic",
        "heics",
        "heif",
        "heifs",
        "hif",
        "icns",
        "ico",
        "j2c",
        "j2k",
        "jfif",
        "jp2",
        "jpc",
        "jpe",
        "jpeg",
        "jpf",
        "jpg",
        "jpx",
        "pbm",
        "pcx",
        "pgm",
        "png",
        "pnm",
        "ppm",
        "sgi",
        "tga",
        "tif",
        "tiff",
        "webp",
        "xbm",
        "xpm",
    ]
)


def is_photo_file(path: str) -> bool:
    """Whether a file below a folder of photos counts as a photo: neither a side file nor a special file."""
    side = os.path.splitext(path)[1].lower() in SIDE_FILES
    return not side and not (os.path.exists(path) and not os.path.isfile(path))  # a socket, a pipe


def has_photo_name(path: str) -> bool:
    """Whether the ending is one that photos have."""
    return os.path.splitext(path)[1].lower() in _PHOTOS


def why_no_photo(path: str) -> str:
    """What a file is, if not a photo."""
    if not os.path.isfile(path):
        return "not a plain file"
    if is_table(path):
        return TABLE
    if os.path.splitext(path)[1].lower() in ARCHIVES:
        return PACKED
    return "a side file" if os.path.splitext(path)[1].lower() in SIDE_FILES else "no photo"


def is_table(name: str | os.PathLike[str]) -> bool:
    """Whether a file counts as a table, by its ending."""
    return os.path.splitext(name)[1].lower() in TABLES
