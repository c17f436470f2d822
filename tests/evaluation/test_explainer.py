"""Which class of an image is explained, and its maps."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from evaluate_fakes import make_card

from tlkit.errors import DataError
from tlkit.evaluation.explained_class import ExplainedClass, class_number, explained_class
from tlkit.evaluation.explainer import Explainer

L = keras.layers
SCENE = make_card(task="segmentation", classes=("background", "cat", "dog"))


def map_model(size: int = 16, seed: int = 0, *, pixels: bool = False) -> keras.Model:
    """Return a model whose logits are the mean red, green and blue of an image, or its colours at each pixel."""
    inputs = keras.Input((size, size, 3))
    x = L.Conv2D(3, 1, use_bias=False, name="map")(inputs)
    head = L.Conv2D(3, 1, use_bias=False, name="head") if pixels else L.Dense(3, use_bias=False)
    model = keras.Model(inputs, head(x) if pixels else head(L.GlobalAveragePooling2D()(x)))
    kernel = np.eye(3, dtype=np.float32)
    model.set_weights([kernel[None, None] / 30, kernel[None, None] if pixels else kernel])
    return model


def half_red(size: int = 16) -> np.ndarray:
    image = np.zeros((size, size, 3), np.uint8)
    image[..., 2] = 60
    image[:, : size // 2] = (200, 0, 0)
    return image


@pytest.mark.parametrize("card", [make_card(), make_card(label_kind="multi"), SCENE], ids=["single", "multi", "masks"])
@pytest.mark.parametrize("number", [0, 2])
def test_the_direction_is_the_gradient_of_the_evidence(card, number):
    random = np.random.default_rng(0)
    pixels = random.uniform(size=(4, 5)) < 0.5 if card.task == "segmentation" else None
    chosen = ExplainedClass(card, number, pixels)
    logits = random.normal(size=(1, 3) if pixels is None else (1, 4, 5, 3))
    direction = chosen.direction(logits)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        slope = (chosen.evidence(logits + step) - chosen.evidence(logits - step)) / 2e-5
        assert direction[place] == pytest.approx(slope[0], abs=1e-6)


@pytest.mark.parametrize("number", [0, 1])
def test_the_one_logit_of_two_classes_speaks_for_the_second(number):
    chosen = ExplainedClass(make_card(classes=("no", "yes"), label_kind="binary"), number)
    sign = 1 if number else -1
    assert chosen.evidence(np.array([[2.5]]))[0] == sign * 2.5
    assert chosen.direction(np.array([[2.5]]))[0, 0] == sign


def test_raising_all_logits_together_changes_neither_evidence_nor_direction():
    chosen = ExplainedClass(make_card(), 1)
    logits = np.array([[1.0, 2.0, -1.0]])
    assert chosen.evidence(logits + 9) == pytest.approx(chosen.evidence(logits))
    np.testing.assert_allclose(chosen.direction(logits + 9), chosen.direction(logits))


def test_by_default_the_predicted_class_is_explained():
    assert explained_class(make_card(), np.array([0.2, 0.1, 0.7]), None).name == "blue"
    assert explained_class(make_card(), np.array([0.2, 0.1, 0.7]), 1).name == "green"


def test_of_a_mask_the_largest_class_but_the_background_is_explained():
    probabilities = np.eye(3)[np.array([[0, 0, 0, 0], [0, 2, 2, 1]])]
    chosen = explained_class(SCENE, probabilities, None)
    assert chosen.name == "dog"
    np.testing.assert_array_equal(chosen.pixels, [[False] * 4, [False, True, True, False]])
    assert explained_class(SCENE, np.eye(3)[np.zeros((2, 2), int)], None).name == "background"


def test_a_class_that_no_pixel_is_predicted_as_is_refused():
    with pytest.raises(DataError, match='no pixel is predicted as "dog"'):
        explained_class(SCENE, np.eye(3)[np.zeros((2, 2), int)], 2)


def test_a_class_that_the_model_lacks_is_refused_with_the_nearest():
    with pytest.raises(DataError, match=r'--class: the model has no class "rad"; did you mean "red"\?'):
        class_number(make_card(), "rad")


def test_both_maps_are_hot_where_the_class_is():
    maps = Explainer([map_model()], make_card(image_size=(16, 16))).maps(half_red())
    assert maps.class_name == "red"
    for each in (maps.grad_cam, maps.occlusion):
        assert each.shape == (16, 16)
        assert each[:, :7].min() > each[:, 9:].max()
    assert maps.grad_cam.max() == 1
    assert maps.agreement.rank_correlation > 0.5


def test_the_other_class_is_seen_elsewhere():
    maps = Explainer([map_model()], make_card(image_size=(16, 16)), number=2).maps(half_red())
    assert maps.class_name == "blue"
    for each in (maps.grad_cam, maps.occlusion):
        assert each[:, 9:].min() > each[:, :7].max()


def test_a_class_of_a_mask_is_seen_where_it_is():
    card = make_card(task="segmentation", image_size=(16, 16))
    maps = Explainer([map_model(pixels=True)], card, number=0).maps(half_red())
    assert maps.grad_cam[:, :7].min() > maps.grad_cam[:, 9:].max()
    assert maps.occlusion[:, :7].min() > maps.occlusion[:, 9:].max()
    assert 0.9 < maps.probability < 1


def test_only_the_map_that_is_asked_for_is_computed():
    card = make_card(image_size=(16, 16))
    one, other = (Explainer([map_model()], card, method=each).maps(half_red()) for each in ("grad-cam", "occlusion"))
    assert one.occlusion is None
    assert other.grad_cam is None
    assert one.agreement is None is other.agreement


def test_the_maps_of_folds_are_the_mean_of_theirs():
    card = make_card(image_size=(16, 16))
    models = [map_model(), map_model()]
    models[1].layers[-1].set_weights([np.eye(3, dtype=np.float32)[::-1] * 0.5])
    one, other = (Explainer([each], card, number=0).maps(half_red()) for each in models)
    both = Explainer(models, card, number=0).maps(half_red())
    mean = (one.grad_cam + other.grad_cam) / 2
    np.testing.assert_allclose(both.grad_cam, mean / mean.max(), atol=1e-6)
    np.testing.assert_allclose(both.occlusion, (one.occlusion + other.occlusion) / 2, atol=1e-4)
    assert both.probability == pytest.approx((one.probability + other.probability) / 2)


def test_an_unknown_class_of_many_says_how_many_there_are() -> None:
    card = make_card().model_copy(update={"classes": tuple(f"class {number}" for number in range(30))})
    with pytest.raises(DataError, match="class 11 and 18 more"):
        class_number(card, "zebra")
