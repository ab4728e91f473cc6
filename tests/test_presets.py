"""The recipes that come with the library train the methods as their papers have them."""

import pathlib

import pytest
from conftest import slow_module

from keras_gans import losses, recipes, registry
from keras_gans.cli import recipe_flags, train

pytestmark = slow_module("tensorflow", "jax")

# From the papers, by hand: the objective, the scores of D for an image of ten classes, the weight
# of the gradient penalty, updates of D for one of G.
PAPERS = {
    "acgan": (losses.ACGAN, (11,), None, 3),
    "biggan": (losses.Hinge, (1,), None, 4),
    "caae": (losses.NonSaturating, None, None, None),
    "coupled_gan": (losses.NonSaturating, None, None, None),
    "decoupled_caae": (losses.NonSaturating, None, None, None),
    "decoupled_gan": (losses.NonSaturating, None, None, None),
    "decoupled_pix2pix": (losses.NonSaturating, None, None, None),
    "gan": (losses.NonSaturating, (1,), None, 1),
    "imacgan": (losses.ImACGAN, (12,), None, 3),
    "lga_gan": (losses.LGA, (4, 4, 1), 1.0, 5),
    "multi_hinge_gan": (losses.MultiHinge, (11,), None, 3),
    "omni_gan": (losses.Omni, (12,), None, 3),
    "omni_inr_gan": (losses.Omni, (12,), None, 3),
    "osgan": (losses.NonSaturating, (1,), None, None),
    "pix2pix": (losses.NonSaturating, None, None, None),
    "spade": (losses.PixelOmni, None, None, None),
    "r3gan": (losses.Relativistic, (1,), 0.5, 1),
}
WITH_PRESET = [name for name, x in registry.all("method").items() if x.preset]


def recipe_of(*arguments):
    values, _ = train.COMMAND.parse(list(arguments))
    return recipe_flags.make_recipe(values)


def test_every_method_is_compared_with_its_paper():
    assert set(WITH_PRESET) - set(PAPERS) == {"asymmetric_gan"}


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_a_method_alone_is_what_its_paper_has(name):
    objective, scores, penalty, d_steps = PAPERS[name]
    recipe = recipe_of(f"--method={name}", "--steps=2")
    assert recipe.data["name"] == "digits" and recipe.schedule["steps"] == 2
    model = recipes.build_model(recipe, channels=1)
    assert registry.of(model).name == name and type(model.objective) is objective
    if scores is not None:
        assert model.discriminator.output_shape[1:] == scores
    assert getattr(getattr(model, "penalty", None), "weight", None) == penalty
    assert getattr(model, "d_steps", None) == d_steps


@pytest.mark.parametrize("flags", [(), ("--method=osgan",), ("--method=gan",)])
def test_data_that_are_not_the_digits_start_from_a_recipe_without_momentum(flags):
    """With the digits' recipe a class of `avatars` becomes one picture."""
    photos = recipe_of("--dataset=photos", *flags)
    assert photos.method.name == ("gan" if "--method=gan" in flags else "osgan")
    assert photos.model["objective"] == "hinge" and photos.num_classes is None
    assert photos.model["augment"] == "color,translation" and photos.labels is False
    for player in photos.optimizers.values():
        assert (player["learning_rate"], player["beta_1"], player["beta_2"]) == (4e-4, 0.0, 0.9)
    faces = recipe_of("--dataset=avatars", "--image_size=64", *flags)
    assert faces.num_classes == 8 and faces.data["labels"] == "label"
    digits = recipe_of("--dataset=digits", *flags)
    assert digits.as_dict() == recipe_of(*flags).as_dict() and digits.num_classes == 10


def test_asymmetric_gan_alone_is_what_its_paper_has():
    model = recipes.build_model(recipe_of("--method=asymmetric_gan"), channels=1)
    assert isinstance(model.adversarial, losses.ConditionalLeastSquares)
    assert model.num_domains == 10 and model.sharing == "none" and model.penalty is None
    counts = {name: network.count_params() for name, network in model.players.items()}
    assert counts["translator"] > 20 * counts["reconstructor"]


def test_the_method_of_a_recipe_is_not_changed_by_a_flag(tmp_path):
    recipes.save("gan_digits", tmp_path / "gan.yaml")
    assert recipe_of(f"--recipe={tmp_path / 'gan.yaml'}", "--method=gan").method.name == "gan"
    with pytest.raises(ValueError, match="--method is osgan, and the recipe's method is gan"):
        recipe_of(f"--recipe={tmp_path / 'gan.yaml'}", "--method=osgan")


def test_networks_go_with_a_method_or_are_refused():
    recipe = recipe_of("--method=omni_gan", "--networks=dcgan")
    assert recipe.networks["d_head"] == "omni"  # what both builders know is kept
    model = recipes.build_model(recipe, channels=1)
    assert model.discriminator.output_shape == (None, 12)
    with pytest.raises(ValueError, match="--networks=caae does not go with omni_gan, which goes"):
        recipe_of("--method=omni_gan", "--networks=caae")


def test_methods_of_classes_ask_for_their_number(tmp_path):
    recipe = recipe_of("--method=omni_gan", f"--dataset={tmp_path}")
    with pytest.raises(ValueError, match="omni_gan learns from labels.*--num_classes=N"):
        recipes.build_model(recipe, channels=3)


def test_the_number_of_classes_goes_where_the_method_has_it():
    domains = recipe_of("--method=asymmetric_gan", "--dataset=styles", "--num_classes=4")
    assert domains.num_classes == domains.networks["num_domains"] == 4
    assert recipes.build_model(domains, channels=3).num_domains == 4
    maps = ("--dataset=photos", "--maps=labels", "--num_classes=3")
    faces = recipe_of("--method=spade", *maps, "--images=faces", "--ignore_label=255", "--download")
    assert faces.networks["num_classes"] == 3 and faces.data["images"] == "faces"
    assert faces.data["ignore_label"] == 255 and faces.data["download"] is True
    with pytest.raises(ValueError, match="spade has to know how many classes photos has"):
        recipe_of("--method=spade", *maps[:2])
    assert recipe_of("--method=gan", *maps[::2]).model["num_classes"] == 3
    with pytest.raises(ValueError, match="num_domains is 0"):
        recipe_of("--method=asymmetric_gan", "--num_classes=0")
    with pytest.raises(ValueError, match="--num_classes does not apply to pix2pix"):
        recipe_of("--method=pix2pix", "--num_classes=4")


def test_earlier_names_are_understood():
    assert recipe_of("--method=lgagan").method.name == "lga_gan"
    old = recipes.load({"model": {"method": "lgagan"}})
    assert old.method.value is registry.get("method", "lga_gan").value


def test_a_recipe_does_not_change():
    recipe = recipes.load("gan_digits")
    with pytest.raises(TypeError):
        recipe["networks"]["width"] = 3
    other = recipe.changed({"networks.width": 24, "model.ema": None})
    assert (recipe.networks["width"], other.networks["width"]) == (16, 24)
    assert "ema" not in other.model and recipe.model["ema"] == 0.997
    assert other != recipe and other.changed({"networks.width": 16, "model.ema": 0.997}) == recipe


def test_an_error_in_a_file_names_its_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("data:\n  name: digits\nnetworks:\n  name: dcgan\n\n  widht: 8\n")
    with pytest.raises(recipes.RecipeError, match=r"r\.yaml, line 6: Unknown key 'widht'.*'width'"):
        recipes.load(path)
    path.write_text("model: {method: gan}\nschedule:\n  steps: 0\n")
    with pytest.raises(recipes.RecipeError, match=r"line 3: schedule\.steps is 0; expected an"):
        recipes.load(path)
    path.write_text("model: {method: gan, objective: hing}\n")
    with pytest.raises(recipes.RecipeError, match=r"line 1: Unknown objective 'hing'.*'hinge'"):
        recipes.load(path)


def test_recipes_of_the_zoo_load():
    zoo = pathlib.Path(__file__).parent.parent / "zoo"
    for path in sorted(zoo.glob("*/recipe.yaml")):
        assert recipes.load(path).stated_card["summary"], path
