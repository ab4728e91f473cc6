"""The scores of methods that translate images: pairs, reconstructions, labelled domains."""

import numpy as np

from keras_gans import recipes
from keras_gans.data.images import fit_image, from_uint8
from keras_gans.metrics import psnr
from keras_gans.zoo import judging
from keras_gans.zoo.judging import FEATURES


def measure(source, recipe, data_dir, samples, eye):
    """Name -> (value, samples, protocol) of a translator, by what its data hold.

    Args:
        source: has `translate(images)`, or `translate(images, labels)` for labelled data.
        recipe: dictionary.
        data_dir, samples: see `keras_gans.zoo.score`.
        eye: `judging.Eye`.
    """
    train, test = (judging.read(recipe, part, data_dir) for part in ("train", "test"))
    if train[1] is not None and train[1].ndim == 1:
        return _of_domains(source, recipe, train, test, samples, eye)
    return _of_pairs(source, recipe, train[:2], test[:2], samples, eye)


def spread(count, samples):
    """Indices of at most `samples` of `count` images, evenly spread: data may be sorted.

    >>> spread(10, 4)
    array([0, 2, 5, 7])
    """
    few = min(count, samples)
    return np.arange(few) * count // few


def _clipped(images):
    # Outputs of decoupled models are sums, and may leave [-1, 1].
    return np.clip(np.asarray(images, "float32"), -1, 1)


def _untrained(recipe, targets):
    return recipes.build_model(recipe, int(targets.shape[-1]))


def _reconstructing(source):
    """What makes I_ED alone, a function of images, of a source that has it; or None."""
    network = getattr(source, "translator", None)
    outputs = getattr(network, "output", None)
    of_entry = isinstance(outputs, dict) and "reconstruction" in outputs
    if not of_entry and not getattr(source, "decoupled", False):
        return None
    return lambda images: source.panels(images)["reconstruction"]


def _copied(inputs, targets):
    """uint8 inputs as they are, with the targets' channels; None where the sizes differ."""
    if inputs.shape[1:3] != targets.shape[1:3]:
        return None
    return np.stack([fit_image(x, channels=targets.shape[-1]) for x in inputs])


def _of_pairs(source, recipe, train, test, samples, eye):
    """Of held-out pairs; without targets of their own, of reconstructions."""
    paired = train[1] is not None
    train_targets = train[1] if paired else train[0]
    inputs, targets = test if paired else (test[0], test[0])
    chosen = spread(len(inputs), samples)
    inputs, targets = inputs[chosen], targets[chosen]
    count, part = len(chosen), judging.parts_of(recipe)
    seen_train = eye("the training targets", len(train_targets), train_targets)
    mean = judging.mean_image(train_targets)
    held_out = eye("held-out targets", count, targets)
    blank = _untrained(recipe, targets)

    def translated(make):
        return lambda p: _clipped(make(from_uint8(inputs[p])))

    rows = {"": translated(source.translate)}
    reconstructing = _reconstructing(source)
    if reconstructing is not None:
        rows[", reconstruction"] = translated(reconstructing)
    rows[", untrained"] = translated(blank.translate)
    rows[", mean image"] = lambda p: np.repeat(mean, p.stop - p.start, axis=0)
    copied = _copied(inputs, targets) if paired else None
    if copied is not None:
        rows[", input copied"] = lambda p: from_uint8(copied[p])
    values = {row: _compare(row, images_of, targets, eye) for row, images_of in rows.items()}

    what = "targets" if paired else "images"
    note = "" if paired else "; an input copied is perfect by definition"
    where = f"to the {count:,} {what} of {part['test']}{note}"
    near = f"distance to the nearest training {what[:-1]}, relative to held-out real ones"
    train_text = f"to the {len(train_targets):,} training {what} ({part['train']}), {FEATURES}"
    found = {}
    for score, text in (("l1", "mean absolute difference"), ("psnr", "PSNR in dB")):
        for row, value in values.items():
            unit = "" if score == "psnr" else ", images in [-1, 1]"
            found[score + row] = (value[score], count, f"{text} {where}{unit}")
    for row, value in values.items():
        found["fd_kgnet" + row] = (judging.frechet(seen_train, value["seen"]), count, train_text)
    real = judging.frechet(seen_train, held_out)
    found["fd_kgnet, held-out real"] = (real, count, f"{count:,} real {what} of {part['test']}")
    found |= judging.factors(found, "l1", "output")
    found |= judging.factors(found, "fd_kgnet", "output")
    for row in (r for r in ("", ", reconstruction") if r in values):
        value = judging.novelty(seen_train, values[row]["seen"], held_out)
        found["novelty" + row] = (value, count, near)
    return found


def _compare(row, images_of, targets, eye):
    """l1, psnr and what kgnet sees of images, beside their uint8 targets."""
    differences, ratios = [], []

    def compared(part):
        images, wanted = images_of(part), from_uint8(targets[part])
        differences.append(np.abs(images - wanted).mean(axis=(1, 2, 3), dtype="float64"))
        ratios.append(psnr(wanted, images, data_range=2.0))
        return images

    seen = eye(row.strip(", ") or "outputs", len(targets), compared)
    l1, ratio = (float(np.mean(np.concatenate(x))) for x in (differences, ratios))
    return {"l1": l1, "psnr": ratio, "seen": seen}


def _of_domains(source, recipe, train, test, samples, eye):
    """Of held-out images, each translated to every domain."""
    train_images, train_labels, class_names = train
    chosen = spread(len(test[0]), samples)
    inputs, labels = test[0][chosen], test[1][chosen]
    parts, count = judging.parts_of(recipe), len(chosen)
    domains = range(judging.domains_of(source))
    everything = eye("the training images", len(train_images), train_images)
    real = [everything.of(train_labels == d) for d in domains]
    means = [judging.mean_image(train_images[train_labels == d]) for d in domains]
    del train_images, train
    every = eye("held-out images", count, inputs)
    held_out = [every.of(labels == d) for d in domains]
    blank = _untrained(recipe, inputs)
    own = {}  # row -> differences from the input, of images that stay in their domain

    def translated(row, model):
        def look(d, p):
            images = from_uint8(inputs[p])
            made = _clipped(model.translate(images, np.full(len(images), d, "int32")))
            same = np.abs(made - images)[labels[p] == d].mean(axis=(1, 2, 3), dtype="float64")
            own.setdefault(row, []).append(same)
            return made

        what = row.strip(", ") or "translations"
        return [
            eye(f"{what} to domain {d}", count, lambda p, d=d: look(d, p)) for d in domains
        ]

    rows = {"": translated("", source), ", untrained": translated(", untrained", blank)}
    rows[", mean image"] = [eye("a mean image", 1, m).repeated(count) for m in means]
    rows[", input copied"] = [every for _ in domains]
    total = count * len(rows[""])
    found, classes = {}, judging.known_classes(recipe, class_names)
    if classes is not None:
        text = f"kgnet sees the domain asked for; chance {1 / len(classes):.2g}"
        notes = {", input copied": f"; by construction at most {1 / len(classes):.2g}"}
        for row, seen in rows.items():
            hits = [judging.accuracy(s, np.full(count, classes[d])) for d, s in enumerate(seen)]
            found["accuracy" + row] = (np.mean(hits), total, text + notes.get(row, ""))
        of_real = judging.accuracy(every, classes[labels]), count, f"real, of {parts['test']}"
        found["accuracy, held-out real"] = of_real
    to = f"to the training images of a domain ({parts['train']}), {FEATURES}; mean over domains"
    for row, seen in rows.items():
        value = np.mean([judging.frechet(r, s) for r, s in zip(real, seen, strict=True)])
        found["fd_kgnet" + row] = (value, total, to)
    value = np.mean([judging.frechet(r, s) for r, s in zip(real, held_out, strict=True)])
    found["fd_kgnet, held-out real"] = (value, count, f"{count:,} real images of {parts['test']}")
    found |= judging.factors(found, "fd_kgnet", "output")
    each = zip(real, rows[""], held_out, strict=True)
    found["novelty"] = (
        np.mean([judging.novelty(r, s, h) for r, s, h in each]),
        total,
        "distance to the nearest training image of the domain, relative to held-out real ones",
    )
    for row, differences in own.items():
        text = "mean absolute difference from the input of images sent to their own domain"
        differences = np.concatenate(differences)
        found["l1, own domain" + row] = (differences.mean(), len(differences), text)
    return found
