"""The box holds every labelled vessel; cutting loses no voxel; resampling loses what is told."""

import json

import numpy as np
import pytest
from chest import chest, image
from thorax import ORIENTATIONS, WORKING, grid
from thorax import image as simple

from lacaf import volume
from lacaf.crop.working import inverse_transform
from lacaf.grid import Grid
from lacaf.volume import Volume, low_passed, resample, upright_grid_around


@pytest.fixture
def with_labels(cropped, tmp_path):
    """Crop a CT beside labels in a coding, as convert leaves them."""

    def run(stored, coding="artery1_vein2", files=(), **crop):
        source = tmp_path / "convert"
        source.mkdir(exist_ok=True)
        for name, labels in dict(files).items():
            volume.write(labels, source / name)
        return cropped(stored, coding=coding, **crop)

    return run


def oblique():
    stored = grid()
    turn = np.radians(20)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return Grid(stored.shape, rotation @ stored.affine)


def corners_of(box):
    """All corner indices of a box of voxels."""
    ends = zip(box["first_zyx"], np.array(box["past_last_zyx"]) - 1, strict=True)
    return np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T


def cutting_is_exact(source, box, working):
    """Cut the box out of the original and put it back; it holds what the working grid shows."""
    place = tuple(slice(a, b) for a, b in zip(box["first_zyx"], box["past_last_zyx"], strict=True))
    part = source.array[place]
    back = np.full_like(source.array, 9999)
    back[place] = part
    assert (back != 9999).sum() == part.size
    assert (back[back != 9999] == source.array[back != 9999]).all()
    index = source.grid.to_index(working.corners_mm())
    last = np.array(source.grid.shape) - 1
    assert (np.array(box["first_zyx"]) <= np.clip(index.min(axis=0), 0, last)).all()
    high = np.floor(np.clip(index.max(axis=0), 0, last))
    assert (np.array(box["past_last_zyx"]) - 1 >= high).all()
    assert (corners_of(box) <= last).all()


@pytest.mark.parametrize("stored", [*(grid(a, f) for a, f in ORIENTATIONS), oblique()])
def test_cutting_the_original_and_putting_it_back_changes_no_voxel(stored):
    rng = np.random.default_rng(0)
    source = Volume(rng.integers(-1024, 1000, stored.shape).astype(np.int16), stored)
    box = json.loads(json.dumps(inverse_transform(stored, WORKING)))["box_vox"]
    cutting_is_exact(source, box, WORKING)
    size = np.array(box["past_last_zyx"]) - box["first_zyx"]
    assert size.prod() < np.prod(stored.shape)


@pytest.mark.parametrize("stored", [grid((2, 0, 1), (-1, 1, -1)), oblique()])
def test_the_stage_records_such_a_box(cropped, stored):
    source = simple(stored)
    details, working, _ = cropped(source, spacing_mm=5.0)
    cutting_is_exact(source, json.loads(json.dumps(details))["box_vox"], working.grid)


def test_heart_vessels_and_trunk_lie_in_the_box_with_a_margin(cropped):
    """The whole truth: arteries from the trunk on, veins to the atrium."""
    _, working, _ = cropped(image(), spacing_mm=3.0, margin_mm=6.0)
    ends = chest().labels.grid.to_mm(np.argwhere(chest().labels.array > 0))
    index = working.grid.to_index(ends)
    room_mm = 3.0 * np.minimum(index, np.array(working.grid.shape) - 1 - index).min()
    assert room_mm >= 6.0


def test_labels_outside_the_lungs_box_widen_it_and_are_told(with_labels):
    stored = image()
    labels = chest().labels.array.copy()
    z, y, x = np.argwhere(chest().lungs.array > 0).max(axis=0)
    labels[z, y, x + 4] = 2
    details, working, _ = with_labels(
        stored, files={"labels.nii.gz": Volume(labels, stored.grid)}, spacing_mm=3.0, margin_mm=6.0
    )
    index = working.grid.to_index(stored.grid.to_mm(np.array([[z, y, x + 4]])))
    room_mm = 3.0 * np.minimum(index, np.array(working.grid.shape) - 1 - index).min()
    assert room_mm >= 6.0
    assert any("labelled vessels lie outside the lungs' box" in flag for flag in details["flags"])


def test_labels_within_the_lungs_box_change_nothing(with_labels, cropped):
    stored = image()
    plain = cropped(stored, spacing_mm=4.0)[0]
    labelled = with_labels(stored, files={"labels.nii.gz": chest().labels}, spacing_mm=4.0)[0]
    assert labelled["box_vox"] == plain["box_vox"]
    assert labelled["flags"] == plain["flags"]


@pytest.mark.parametrize(
    ("coding", "name", "value"),
    [("carve14", "labels.nii.gz", -999), ("airrc", "labels.nii.gz", 3)],
)
def test_what_is_no_vessel_does_not_widen_the_box(with_labels, cropped, coding, name, value):
    """A value that says unknown or other may fill the whole image."""
    stored = image()
    alone = cropped(stored, spacing_mm=4.0)[0]  # before there are any labels
    labels = np.where(chest().labels.array > 0, 1, value).astype(np.int16)
    details = with_labels(
        stored, coding, files={name: Volume(labels, stored.grid)}, spacing_mm=4.0
    )[0]
    assert details["box_vox"] == alone["box_vox"]


def test_one_file_a_vessel_counts_by_its_name(with_labels):
    stored = image()
    outside = np.zeros(stored.array.shape, np.uint8)
    outside[5, 5, 5] = 1
    part = Volume(outside, stored.grid)
    flags = with_labels(stored, "file_per_vessel", {"labels_vein.nii.gz": part}, spacing_mm=4.0)[0]
    assert any("outside the lungs' box" in flag for flag in flags["flags"])


def tree(stored, seed=0):
    """A tree of thin vessels in 50 mm: radii of 0.6 to 3 mm, half of them below 0.8 mm."""
    rng = np.random.default_rng(seed)
    size = np.array(stored.shape) * stored.spacing_mm
    mask = np.zeros(stored.shape, bool)
    tips = [(size / 2, rng.normal(size=3), 3.0)]
    while tips:
        start, direction, radius = tips.pop()
        goal = rng.uniform(0.05 * size, 0.95 * size)
        heading = direction / np.linalg.norm(direction) + 2 * (goal - start) / size
        end = start + heading / np.linalg.norm(heading) * radius * rng.uniform(3, 6)
        end = np.clip(end, 0.05 * size, 0.95 * size)
        _tube(mask, stored.spacing_mm, start, end, radius)
        share = rng.uniform(0.3, 0.5)
        for child in (radius * share ** (1 / 3), radius * (1 - share) ** (1 / 3)):
            if child > 0.6:
                tips.append((end, end - start + rng.normal(size=3) * radius, child))
    return mask


def _tube(mask, spacing, start, end, radius):
    spacing = np.array(spacing)
    low = np.maximum(np.floor((np.minimum(start, end) - radius) / spacing).astype(int), 0)
    high = np.ceil((np.maximum(start, end) + radius) / spacing).astype(int) + 1
    place = tuple(slice(a, b) for a, b in zip(low, np.minimum(high, mask.shape), strict=True))
    points = np.moveaxis(np.indices(mask[place].shape), 0, -1) * spacing + low * spacing
    along = end - start
    t = np.clip((points - start) @ along / max(along @ along, 1e-9), 0, 1)
    mask[place] |= np.linalg.norm(points - start - t[..., None] * along, axis=-1) <= radius


def there_and_back(mask, stored, spacing_mm, hard):
    """DSC of a mask with itself after the working grid, as shares or as decided labels."""
    working = upright_grid_around(stored.corners_mm() + 0.123, spacing_mm, 2.0)
    share = resample(low_passed(Volume(mask.astype(np.float32), stored), working), working).array
    share = (share >= 0.5).astype(np.float32) if hard else share
    back = resample(Volume(share, working), stored).array >= 0.5
    return 2 * (back & mask).sum() / (back.sum() + mask.sum())


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 1.0), (0.54, 0.54, 2.0), (0.98, 0.98, 3.0)])
@pytest.mark.parametrize("hard", [False, True])
def test_thin_vessels_survive_a_working_grid_of_seven_tenths_of_the_cts_spacing(spacing, hard):
    stored = Grid.upright(tuple(int(50 / s) for s in spacing[::-1]), spacing)
    mask = tree(stored)
    assert mask.sum() * stored.voxel_ml > 1
    assert there_and_back(mask, stored, 0.7 * min(spacing), hard) >= 0.99
    assert there_and_back(mask, stored, 2.0, hard) < 0.9, "a coarse working grid costs much"


def test_the_record_tells_how_coarse_the_working_grid_is(cropped):
    details, _, _ = cropped(image(), spacing_mm=6.0)
    finest = min(chest().image.grid.spacing_mm)
    assert details["working"]["coarser_than_ct"] == pytest.approx(6.0 / finest, abs=0.01)
