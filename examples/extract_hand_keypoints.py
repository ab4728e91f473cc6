"""Hand keypoints of photos, by MediaPipe, for examples/asymmetric_gestures.py.

pip install mediapipe
python examples/extract_hand_keypoints.py PHOTOS --model=hand_landmarker.task --out=hands.npz

PHOTOS is a folder whose sub-folders are persons or backgrounds: photos of one sub-folder are
paired with one another later. `hand_landmarker.task` is the model file of MediaPipe's guide "Hand
landmarks detection". Photos are cropped about their center to squares; those without a hand are
left out and named. Writes `images` (N, size, size, 3), `keypoints` (N, 21, 2) as parts of the
width and height, `groups` (N,) and `files` (N,), and a picture OUT.png of the first skeletons over
their photos.
"""

import argparse
import pathlib

import numpy as np

from keras_gans.data import draw_hand, from_uint8, save_grid
from keras_gans.data.finding import image_files
from keras_gans.data.images import fit_image, read_image


def open_mediapipe():
    """MediaPipe's modules, or one line on how to get them."""
    try:
        import mediapipe
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision
    except ImportError:
        raise SystemExit(
            "MediaPipe is not installed: pip install mediapipe. (Keypoints of any other detector "
            "will do, as an .npz with images, keypoints and groups.)"
        ) from None
    return mediapipe, tasks, vision


def photos(folder):
    """(group, path) of every photo: a group is a sub-folder."""
    found = image_files(folder)
    if not found:
        raise SystemExit(f"{folder} has no photos in it.")
    return [(p.relative_to(folder).parent.as_posix(), p) for p in found]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, default="hand_landmarker.task")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--out", type=pathlib.Path, default="hands.npz")
    options = parser.parse_args(arguments)
    mediapipe, tasks, vision = open_mediapipe()
    if not options.model.is_file():
        raise SystemExit(f"There is no model file {options.model}: give its path with --model.")
    base = tasks.BaseOptions(model_asset_path=str(options.model))
    wanted = vision.HandLandmarkerOptions(base_options=base, num_hands=1)
    rows = []
    with vision.HandLandmarker.create_from_options(wanted) as detector:
        for group, path in photos(options.photos):
            image = fit_image(read_image(path), (options.size,) * 2, channels=3)
            picture = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
            )
            hands = detector.detect(picture).hand_landmarks
            if not hands:
                print(f"no hand: {path}")
                continue
            rows.append((image, [(p.x, p.y) for p in hands[0]], group, str(path)))
    if not rows:
        raise SystemExit("No hand was found in any photo.")
    images, points, groups, files = (np.array(part) for part in zip(*rows, strict=True))
    np.savez_compressed(
        options.out, images=images, keypoints=points.astype("float32"), groups=groups, files=files
    )
    drawn = np.stack([draw_hand(p, options.size) for p in points[:16]])
    over = np.maximum(from_uint8(images[:16]) * 0.5 - 0.5, drawn)
    save_grid(over, options.out.with_suffix(".png"))
    print(f"{len(images)} hands in {len(set(groups))} groups: {options.out}")


if __name__ == "__main__":
    main()
