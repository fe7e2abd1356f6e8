import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from support_photo_folders import PAIR, encoded, gray, load, noise, refused

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import load_table
from fer_models.photos import scan
from fer_models.photos.scan import check_photos, read_photo

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize(
    ("mode", "ending", "read_as"),
    [
        ("L", "png", "L"),
        ("1", "png", "L"),
        ("LA", "png", "L"),
        ("I;16", "png", "L"),
        ("I", "tiff", "L"),
        ("F", "tiff", "L"),
        ("RGB", "bmp", "RGB"),
        ("RGB", "webp", "RGB"),
        ("RGBA", "png", "RGB"),
        ("P", "png", "RGB"),
        ("P", "gif", "RGB"),
        ("CMYK", "jpeg", "RGB"),
        ("YCbCr", "tiff", "RGB"),
    ],
)
def test_every_mode_is_read_as_gray_or_colour(tmp_path: Path, mode: str, ending: str, read_as: str) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    image = Image.fromarray(ramp)
    if mode in ("I;16", "I"):
        image = Image.fromarray((ramp.astype("uint16" if mode == "I;16" else "int32")) * 257)
    elif mode == "F":
        image = Image.fromarray(ramp.astype("float32") / 255)
    else:
        image = image.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else image.convert(mode)
    path = tmp_path / f"x.{ending}"
    image.save(path)
    got = read_photo(str(path))
    assert (got.mode, got.size) == (read_as, (64, 64))
    if mode != "1":
        tolerance = 48 if ending == "gif" else 2
        assert np.abs(np.asarray(got.convert("L")).astype(int) - ramp).max() <= tolerance
    assert check_photos([str(path)], source="x")[0].reason is None


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
    Image.new("LA", (2, 2), (10, 0)).save(tmp_path / "b.png")
    gray(10).save(tmp_path / "c.png", transparency=10)
    assert [read_photo(str(tmp_path / f"{name}.png")).getpixel((0, 0)) for name in "abc"] == [
        (255, 255, 255),
        255,
        255,
    ]


def test_the_rotation_tag_is_respected(tmp_path: Path) -> None:
    image = Image.new("L", (4, 2), 0)
    image.putpixel((0, 0), 255)  # the top left of the sensor
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to look at it
    image.save(tmp_path / "x.png", exif=exif)
    got = read_photo(str(tmp_path / "x.png"))
    assert got.size == (2, 4)
    assert got.getpixel((1, 0)) == 255


def test_a_large_jpeg_is_read_smaller_where_that_is_enough(tmp_path: Path) -> None:
    large = np.kron(np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6), np.ones((100, 100), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(tmp_path / "x.jpg")
    Image.fromarray(large).save(path, quality=95, exif=exif)
    assert read_photo(path).size == (400, 600)
    assert read_photo(path, 100).size == (100, 150)
    assert read_photo(path, 101).size == (200, 300)
    assert read_photo(path, 448).size == (400, 600)
    full, small = (read_photo(path, least).resize((64, 64), Image.Resampling.BILINEAR) for least in (0, 128))
    assert np.abs(np.asarray(full).astype(int) - np.asarray(small)).max() <= 4


def damage(folder: Path, name: str, content: bytes) -> None:
    (folder / "anger" / name).write_bytes(content)


def bomb(side: int) -> bytes:
    """A sound picture of side x side black dots, small on disk."""
    return encoded(Image.new("1", (side, side)), "png")


def test_broken_photos_are_skipped_and_listed_with_the_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    half = encoded(noise("RGB"), "jpeg")
    damage(folder, "empty.png", b"")
    damage(folder, "half.jpg", half[: len(half) // 2])
    damage(folder, "half.png", encoded(noise(), "png")[:2000])
    damage(folder, "text.png", b"no picture at all")
    damage(folder, "warned.png", bomb(110))
    damage(folder, "refused.png", bomb(1000))
    (folder / "anger" / "nowhere.png").symlink_to("absent")
    for _ in range(2):  # the second time with a cache
        table = load(folder, max_unreadable=0.5)
        assert len(table) == 24
        reasons = {os.path.basename(path): reason for path, reason in table.unreadable}
        assert reasons == {
            "empty.png": "empty file (0 bytes)",
            "half.jpg": reasons["half.jpg"],
            "half.png": reasons["half.png"],
            "nowhere.png": "No such file or directory",
            "refused.png": "more than 10,000 pixels (decompression bomb), not decoded",
            "text.png": "not an image that Pillow reads",
            "warned.png": "more than 10,000 pixels (decompression bomb), not decoded",
        }
        assert "truncated" in reasons["half.jpg"]
        assert "truncated" in reasons["half.png"]


def test_bombs_are_never_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    damage(folder, "bomb.png", bomb(110))
    sizes = []
    decode = ImageFile.ImageFile.load

    def watched(self: ImageFile.ImageFile) -> object:
        sizes.append(self.size)
        return decode(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    load(folder)
    assert (8, 8) in sizes
    assert (110, 110) not in sizes


def test_too_many_broken_photos_are_an_error(folder: Path) -> None:
    for i in range(3):
        damage(folder, f"{i:02d}.png", b"")
    text = refused(folder)
    assert "3 of 24 photos" in text
    assert "12.5%" in text
    assert "00.png: empty file" in text
    assert "data.max_unreadable" in text
    assert len(load(folder, max_unreadable=0.125)) == 21


def test_a_folder_where_all_photos_are_broken_is_an_error(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_bytes(b"x")
    assert "none of the 24 photos" in refused(folder, max_unreadable=1.0)


def test_a_class_where_all_photos_are_broken_is_an_error(folder: Path) -> None:
    for path in (folder / "fear").iterdir():
        path.write_bytes(b"x")
    assert 'none of the 12 photos of class "fear"' in refused(folder, max_unreadable=1.0)


def test_a_second_start_opens_only_what_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = scan._check

    def watched(path: str) -> scan.Checked:
        opened.append(os.path.basename(path))
        return real(path)

    monkeypatch.setattr(scan, "_check", watched)
    first = load(folder)
    assert len(opened) == 24
    opened.clear()
    assert load(folder).digests == first.digests
    assert opened == []
    gray(99, 9).save(folder / "anger" / "03.png")
    changed = load(folder)
    assert opened == ["03.png"]
    assert [i for i in range(24) if changed.digests[i] != first.digests[i]] == [3]


def test_a_damaged_cache_is_made_again(folder: Path) -> None:
    first = load(folder)
    (store,) = Path(os.environ["FEDFER_CACHE"], "scan").iterdir()
    for text in ("", "[1, 2]", '{"a": 1}', '{"a": [1'):
        store.write_text(text)
        assert load(folder).digests == first.digests


def test_an_interrupted_check_keeps_what_it_found(folder: Path) -> None:
    def stop_at(limit: int) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            seen.append((done, total))
            if done == limit:
                raise KeyboardInterrupt

        return progress

    seen: list[tuple[int, int]] = []
    data = DataConfig(source=str(folder), classes=PAIR)
    with pytest.raises(KeyboardInterrupt):
        load_table(data, SketchConfig(), seed=0, progress=stop_at(10))
    assert seen == [(i, 24) for i in range(11)]
    seen.clear()
    load_table(data, SketchConfig(), seed=0, progress=stop_at(99))
    assert seen == [(i, 24) for i in range(10, 25)]


def heic(folder: Path) -> Path:
    """A photo as a telephone takes it."""
    import pillow_heif

    path = folder / "anger" / "IMG_0001.HEIC"
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), (200, 100, 50))).save(path)
    return path


def test_photos_of_telephones_are_read_with_the_extra(folder: Path) -> None:
    pytest.importorskip("pillow_heif")
    path = heic(folder)
    (folder / "anger" / "IMG_0001.aae").write_text("<xml>")
    Image.new("L", (64, 64), 77).save(folder / "anger" / "x.avif")
    table = load(folder)
    photo = table.reader(table.paths.index(str(path)))
    assert (photo.size, photo.mode) == ((64, 48), "RGB")
    assert abs(int(np.asarray(photo)[20, 20, 0]) - 200) < 8
    assert table.ledger.line() == "Photos: 26 used"


def test_without_the_extra_its_name_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_heif")
    path = heic(folder)
    Image.init()
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    scan._learn_heic.cache_clear()
    table = load(folder)
    scan._learn_heic.cache_clear()
    assert table.unreadable == ((str(path), "HEIC, which needs the extra heic: pip install pillow-heif"),)
