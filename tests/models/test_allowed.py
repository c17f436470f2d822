"""The table of what a model file may contain: complete for this Keras, and as narrow as the models that tlkit saves."""

from __future__ import annotations

import importlib
import inspect
import json
import re

import keras
import pytest
from saved_models import ONE_OF_EACH, SOMETIMES, applications, collect, configurations, small_models

from tlkit.models.allowed import FOR_PLUGINS, WRITTEN, NotAllowed, classes, table
from tlkit.models.option_kinds import KINDS
from tlkit.models.safe_config import checked_config

REFUSED = table()["refused"]
ARGUMENTS = {
    "Activation": ["relu"],
    "Conv1D": [4, 3],
    "Conv2D": [4, 3],
    "Conv2DTranspose": [4, 3],
    "CustomScaleLayer": [0.1],
    "Dense": [4],
    "DepthwiseConv2D": [3],
    "InputLayer": [(8, 8, 3)],
    "LayerScale": [1e-6, 4],
    "MultiHeadAttention": [2, 4],
    "Permute": [(2, 1)],
    "RepeatVector": [2],
    "Rescaling": [0.5],
    "Reshape": [(4, 4)],
    "Resizing": [4, 4],
    "SeparableConv2D": [4, 3],
    **{name: [0.5] for name in ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout2D")},
    **{name: [2] for name in ("AveragePooling1D", "AveragePooling2D")},
}
"""What the constructors of these classes need."""
EVERY_CLASS = pytest.mark.parametrize(("module", "name"), sorted(classes()), ids=lambda part: part.rpartition(".")[2])


def made(module, name):
    """Return an object of a class, with the defaults of Keras where it has them."""
    if name in ("Functional", "Sequential"):
        inputs = keras.Input((4,))
        outputs = keras.layers.Dense(2)(inputs)
        return keras.Model(inputs, outputs) if name == "Functional" else keras.Sequential([keras.layers.Dense(2)])
    return getattr(importlib.import_module(module), name)(*ARGUMENTS.get(name, ()))


def arguments(module, name):
    """Return what a class takes and writes: its arguments, and the keys in the code that writes and reads them."""
    found = set(made(module, name).get_config())
    for each in getattr(importlib.import_module(module), name).__mro__:
        if not each.__module__.startswith("keras"):
            continue
        for method in ("__init__", "get_config", "from_config"):
            if method in vars(each):
                code = re.sub(r'"""[\s\S]*?"""', "", inspect.getsource(getattr(each, method)))
                found.update(re.findall(r"""config(?:\.pop|\.get|\.setdefault)?[([]\s*["'](\w+)["']""", code))
                found.update(re.findall(r"""kwargs(?:\.pop|\.get)?[([]\s*["'](\w+)["']""", code))
                if method == "get_config":
                    found.update(re.findall(r"""["'](\w+)["']:""", code))
        if "__init__" in vars(each):
            found.update(
                each.name
                for each in inspect.signature(vars(each)["__init__"]).parameters.values()
                if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.name != "self"
            )
    return found


def unlisted(module, name):
    """Return what of it is neither allowed nor refused."""
    return {each for each in arguments(module, name) - set(classes()[module, name]) if not reason(name, each)}


def reason(name, argument):
    return REFUSED.get(f"{name}.{argument}", REFUSED.get(argument))


@EVERY_CLASS
def test_every_argument_of_this_keras_is_allowed_or_refused_with_a_reason(module, name):
    assert unlisted(module, name) == set(), "a new argument of Keras: allow or refuse it in tlkit/models/allowed.toml"


def test_a_new_argument_of_keras_is_found(monkeypatch):
    class Dense(keras.layers.Dense):
        def __init__(self, units, new_argument=None, **options):
            super().__init__(units, **options)

        def get_config(self):
            return {**super().get_config(), "new_key": 1}

    Dense.__module__ = "keras.src.layers.core.dense"
    monkeypatch.setattr(keras.layers, "Dense", Dense)
    assert unlisted("keras.layers", "Dense") == {"new_argument", "new_key"}


@EVERY_CLASS
def test_the_table_has_only_what_keras_has(module, name):
    assert set(classes()[module, name]) <= arguments(module, name)


def test_every_refused_argument_is_one_of_keras():
    known = {name: arguments(module, name) for module, name in classes()}
    for each in REFUSED:
        owner, _, argument = each.rpartition(".")
        assert any(argument in found for name, found in known.items() if owner in ("", name)), each


def in_a_model(module, name, config):
    """Return the configuration of a model with one layer."""
    layer = {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": name if module.startswith("keras.src.") else None,
    }
    model = {"name": "model", "trainable": True, "layers": [layer], "build_input_shape": [None, 4]}
    return {"module": "keras", "class_name": "Sequential", "config": model, "registered_name": None}


def in_a_layer(module, name, config):
    """Return the configuration of a model with a layer that has an object of a class, if that class is no layer."""
    if module not in ("keras.regularizers", "keras.constraints"):
        return in_a_model(module, name, config)
    own = {"module": module, "class_name": name, "config": config, "registered_name": None}
    initializers = {"kernel_initializer": None, "bias_initializer": None}
    return in_a_model("keras.layers", "Dense", {f"kernel_{module[6:-1]}": own, **initializers})


@EVERY_CLASS
def test_every_argument_that_is_not_allowed_is_refused(module, name):
    allowed = classes()[module, name]
    refused = {each.rpartition(".")[2] for each in REFUSED}
    for argument in sorted({*arguments(module, name), *refused, "no_argument_of_keras"} - set(allowed)):
        for value in (None, 1, True, {}):
            with pytest.raises(NotAllowed, match=re.escape(f"{name}.{argument} is not an option of a {name}")):
                checked_config(in_a_layer(module, name, {argument: value}))


@EVERY_CLASS
def test_every_value_of_another_kind_is_refused(module, name):
    for option, kind in classes()[module, name].items():
        if kind == "initializer":  # never looked at: zeros within a bound take its place
            continue
        for value in ({"a": 1}, {"class_name": "NoClass", "config": {}}, "no such word" * 200, float("nan")):
            with pytest.raises(NotAllowed, match=f"{name}.{option}"):
                checked_config(in_a_layer(module, name, {option: value}))


@EVERY_CLASS
def test_what_keras_itself_writes_is_allowed(module, name):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(made(module, name))))["config"]
    checked_config(in_a_layer(module, name, config))


WIDE = [
    ("count", 2**24 + 1),
    ("count", 0),
    ("count", True),
    ("size", 2**15 + 1),
    ("size", 0),
    ("sides", -1),
    ("sides", [[1, 2, 3]]),
    ("dilation", [1, 1025]),
    ("channels", 2**16 + 1),
    ("number", 2**31 + 1),
    ("numbers", [1.0] * 5),
    ("share", 1.5),
    ("seed", -1),
    ("noise_shape", [None, 2]),
    ("axes", 9),
    ("false", 0),
    ("text", "x" * 1001),
    ("shape", [None] * 9),
    ("tensors", [["a", 0, -1]]),
]


@pytest.mark.parametrize(("kind", "value"), WIDE)
def test_a_value_a_little_over_its_bound_is_refused(kind, value):
    check, _ = KINDS[kind]
    assert not check(value)


def test_every_kind_is_used_and_known():
    used = {kind for options in classes().values() for kind in options.values()}
    used |= {kind for calls in table()["calls"].values() for kind in calls.values()}
    structures = {"initializer", "regularizer", "constraint", "dtype", "layers", "tensor"}
    assert used - structures == set(KINDS) - {"type", "tensor name"}
    assert structures <= used


def options_of(models):
    found = {}
    for config in configurations(models):
        checked_config(config)
        collect(config, found)
    return found


@pytest.mark.slow
def test_what_is_allowed_for_plugins_alone_is_in_no_saved_model():
    found = options_of(small_models())
    assert not set(found) & set(classes(FOR_PLUGINS))
    for place, options in found.items():
        assert options <= set(classes(WRITTEN)[place])


@pytest.mark.slow
def test_the_table_has_exactly_what_saved_models_have():
    found = options_of(small_models())
    for place, options in options_of(applications(ONE_OF_EACH)).items():
        found.setdefault(place, set()).update(options)
    assert set(found) == set(classes(WRITTEN))
    for place, options in classes(WRITTEN).items():
        assert found[place] | SOMETIMES == set(options) | SOMETIMES, place
