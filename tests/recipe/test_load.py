"""Load recipes: which are refused, with which message and line, and what overrides do."""

from __future__ import annotations

from pathlib import Path

import pytest
import tlkit_annotations
import tlkit_datasets
from tlkit_heads import tlkit_heads

import tlkit
from tlkit.recipe.load import load_recipe, parse_recipe

GOOD = """\
# A comment.
name = "pets"
task = "segmentation"
seed = 1

[data]
name = "digit_scenes"   # made, not read

[input]
image_size = 96

[backbone]
name = "small_encoder"
weights = "none"

[head]
name = "unet"
filters = [64, 32]

[schedule]
name = "full"
epochs = 3
learning_rate = 1e-3
curve = { name = "cosine", warmup_epochs = 1 }

[train]
early_stop = 5
"""
FILE = Path("recipes/pets.toml")
HEADS, DECODERS, CLASSIFIERS = (
    ", ".join(sorted(head.name for head in tlkit_heads() if head.task in tasks))
    for tasks in (("classification", "segmentation"), ("segmentation",), ("classification",))
)
DATASETS = ", ".join(
    sorted(
        each.name
        for offered in (tlkit_annotations.tlkit_datasets(), tlkit_datasets.tlkit_datasets())
        for each in offered
        if "classification" in each.tasks
    )
)


@pytest.fixture
def problems(registry):
    """Return the lines of the error that a recipe raises."""

    def find(text: str, *overrides: str) -> list[str]:
        with pytest.raises(tlkit.RecipeError) as caught:
            parse_recipe(text, registry, overrides, FILE)
        assert len(caught.value.problems) == len(str(caught.value).splitlines())
        return str(caught.value).splitlines()

    return find


@pytest.fixture
def changed(problems):
    """Return the lines of the error that the good recipe raises after one replacement."""

    def find(old: str, new: str) -> list[str]:
        assert GOOD.count(old) == 1
        return problems(GOOD.replace(old, new))

    return find


# Valid recipes ------------------------------------------------------------------------------------------------------


def test_a_valid_recipe_has_typed_options_and_the_records_of_its_plugins(registry):
    recipe = parse_recipe(GOOD, registry, file=FILE)
    assert (recipe.name, recipe.task, recipe.seed, recipe.file) == ("pets", "segmentation", 1, FILE)
    assert recipe.head.record.name == "unet"
    assert recipe.head.options.filters == (64, 32)
    assert recipe.input.image_size == (96, 96)
    assert recipe.schedule.options.curve == tlkit.Cosine(name="cosine", warmup_epochs=1)
    assert recipe.train.early_stop == tlkit.EarlyStop(patience=5)


def test_the_values_of_a_recipe_are_plain_and_have_every_default(registry):
    values = parse_recipe(GOOD, registry).values
    assert values["head"]["name"] == "unet"
    assert values["head"]["dropout"] == 0.0
    assert values["input"]["image_size"] == [96, 96]
    assert values["input"]["batch_size"] == 32
    assert values["augment"]["name"] == "none"
    assert values["train"]["early_stop"] == {"patience": 5, "min_delta": 0.0}


def test_optional_tables_have_defaults(registry):
    text = GOOD.replace("[input]\nimage_size = 96\n", "").replace("[train]\nearly_stop = 5\n", "")
    recipe = parse_recipe(text, registry)
    assert recipe.input.image_size == (224, 224)
    assert recipe.augment[0].record.name == "none"
    assert recipe.train.early_stop is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("image_size = 96", "image_size = [96, 64]"),
        ('curve = { name = "cosine", warmup_epochs = 1 }', 'curve = "cosine"'),
        ("early_stop = 5", "early_stop = { patience = 5 }"),
        ("early_stop = 5", "class_weights = { digit = 2, background = 0.5 }"),
        ("early_stop = 5", 'loss = { name = "categorical_focal_crossentropy", gamma = 3 }'),
        ("learning_rate = 1e-3", "learning_rate = 1"),
        ("[head]", "[ head ]"),
    ],
)
def test_short_and_long_forms_of_a_value_are_accepted(registry, old, new):
    assert GOOD.count(old) == 1
    parse_recipe(GOOD.replace(old, new), registry)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(registry, tmp_path):
    file = tmp_path / "r.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_recipe(file, registry).name == "pets"


# A single problem ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "filters",
            "filers",
            '18: head.filers: unknown option of head "unet" (tlkit VERSION); did you mean "filters"?',
        ),
        ("[head]", "[heads]", '16: heads: unknown key of a recipe; did you mean "head"?'),
        ("seed = 1", "sede = 1", '4: sede: unknown key of a recipe; did you mean "seed"?'),
        ("image_size", "image_sise", '10: input.image_sise: unknown key of [input]; did you mean "image_size"?'),
        ("early_stop", "erly_stop", '27: train.erly_stop: unknown key of [train]; did you mean "early_stop"?'),
        (
            "warmup_epochs",
            "warmup",
            '24: schedule.curve.warmup: unknown key of curve; did you mean "warmup_epochs"?',
        ),
        (
            "early_stop = 5",
            "early_stop = { patence = 5 }",
            '27: train.early_stop.patence: unknown key of early_stop; did you mean "patience"?',
        ),
        (
            "seed = 1",
            "zzz = 1",
            "4: zzz: unknown key of a recipe; there are name, task, seed, plugins, data, input, check, backbone, "
            "head, augment, schedule, train, track, sweep, cluster",
        ),
    ],
)
def test_an_unknown_key_is_reported_with_its_owner_and_the_nearest_key(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}".replace("VERSION", tlkit.__version__)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 1", "image_size = 96", "4: image_size: unknown key of a recipe; it belongs in [input]"),
        (
            "early_stop = 5",
            "learning_rate = 1",
            "27: train.learning_rate: unknown key of [train]; it belongs in [schedule]",
        ),
        (
            "early_stop = 5",
            "seed = 1",
            "27: train.seed: unknown key of [train]; it belongs at the top, above all tables",
        ),
    ],
)
def test_a_key_in_the_wrong_table_is_reported_with_the_right_table(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 1", 'seed = "1"', '4: seed: expected a whole number, received "1"'),
        ("seed = 1", "seed = 1.0", "4: seed: expected a whole number, received 1.0"),
        ("seed = 1", "seed = true", "4: seed: expected a whole number, received true"),
        ("seed = 1", "seed = 1979-05-27", '4: seed: expected a whole number, received "1979-05-27"'),
        ("filters = [64, 32]", 'filters = [64, "x"]', '18: head.filters.1: expected a whole number, received "x"'),
        ("filters = [64, 32]", "batch_norm = 1", "18: head.batch_norm: expected true or false, received 1"),
        ("filters = [64, 32]", 'dropout = "0.5"', '18: head.dropout: expected a number, received "0.5"'),
        ('weights = "none"', "weights = 3", "14: backbone.weights: expected a string in quotes, received 3"),
        ("early_stop = 5", "metrics = [3]", "27: train.metrics.0: expected a string in quotes, received 3"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        ("filters = [64, 32]", 'filters = "64"', '18: head.filters: expected an array, received "64" ('),
        (
            "early_stop = 5",
            'early_stop = "5"',
            '27: train.early_stop: expected a table, received "5" (a patience in epochs',
        ),
        (
            "image_size = 96",
            'image_size = "96"',
            '10: input.image_size: expected an array, received "96" (height and width',
        ),
        (
            "early_stop = 5",
            "loss = 3",
            "27: train.loss: expected a table, received 3 (a Keras loss by name",
        ),
        (
            "early_stop = 5",
            "class_weights = 3",
            '27: train.class_weights: expected "none" or "balanced" or expected a table, received 3',
        ),
    ],
)
def test_where_several_forms_are_allowed_the_message_says_what_the_key_is(changed, old, new, start):
    (line,) = changed(old, new)
    assert line.startswith(f"{FILE}:{start}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filters = [64, 32]", "dropout = 1.5", "18: head.dropout: expected less than 1, received 1.5"),
        ("filters = [64, 32]", "filters = [64, 0]", "18: head.filters.1: expected at least 1, received 0"),
        ("filters = [64, 32]", "filters = []", "18: head.filters: expected at least 1 item, received []"),
        ("filters = [64, 32]", "output_stride = 3", "18: head.output_stride: expected 1, 2, 4 or 8, received 3"),
        ("epochs = 3", "epochs = 0", "22: schedule.epochs: expected at least 1, received 0"),
        ("learning_rate = 1e-3", "learning_rate = 0", "23: schedule.learning_rate: expected more than 0, received 0"),
        (
            "learning_rate = 1e-3",
            "learning_rate = nan",
            "23: schedule.learning_rate: expected at most 10, received NaN",
        ),
        ("image_size = 96", "image_size = 4", "10: input.image_size: expected at least 8, received 4"),
        ("image_size = 96", "image_size = [96, 4]", "10: input.image_size.1: expected at least 8, received 4"),
        (
            "image_size = 96",
            "image_size = [96]",
            "10: input.image_size: expected more items, at least 2, received [96]",
        ),
        (
            "image_size = 96",
            "validation = 1.5",
            "10: input.validation: expected a share of at least 0 and less than 1, or a whole number of images, "
            "received 1.5",
        ),
        (
            "image_size = 96",
            "test = -3",
            "10: input.test: expected a share of at least 0 and less than 1, or a whole number of images, received -3",
        ),
        ("early_stop = 5", "early_stop = 0", "27: train.early_stop: expected at least 1, received 0"),
        (
            "early_stop = 5",
            "class_weights = { a = -1.0 }",
            "27: train.class_weights.a: expected at least 0, received -1.0",
        ),
        ("seed = 1", "seed = -1", "4: seed: expected at least 0, received -1"),
        (
            'name = "pets"',
            'name = "my pets"',
            '2: name: expected letters, digits, dots, dashes and underscores only, received "my pets"',
        ),
        (
            'name = "pets"',
            'name = "../x"',
            '2: name: expected letters, digits, dots, dashes and underscores only, received "../x"',
        ),
        (
            "image_size = 96",
            'group_pattern = "("',
            "10: input.group_pattern: not a regular expression: missing ), "
            'unterminated subpattern at position 0, received "("',
        ),
        (
            "image_size = 96",
            'group_pattern = "a"',
            "10: input.group_pattern: expected a regular expression with a "
            'group in parentheses that names the group, received "a"',
        ),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_bound(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "filters = [64, 32]",
            'upsampling = "bilinaer"',
            '18: head.upsampling: expected "bilinear", "nearest" or "transpose", received "bilinaer"; '
            'did you mean "bilinear"?',
        ),
        (
            "early_stop = 5",
            'class_weights = "balancd"',
            '27: train.class_weights: expected "none" or "balanced", received "balancd"; did you mean "balanced"?',
        ),
        ("image_size = 96", 'resize = "fit"', '10: input.resize: expected "stretch", "crop" or "pad", received "fit"'),
    ],
)
def test_an_unknown_choice_is_reported_with_the_nearest_one(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


def test_a_misspelt_task_causes_no_problems_in_other_tables(changed):
    assert changed('task = "segmentation"', 'task = "segmentatoin"') == [
        f'{FILE}:3: task: expected "classification" or "segmentation", received "segmentatoin"; '
        'did you mean "segmentation"?'
    ]


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ('"cosin"', 'curve: expected one of constant, cosine, step, plateau, received "cosin"; did you mean "cosine"?'),
        (
            '{ name = "cosin" }',
            'curve.name: expected one of constant, cosine, step, plateau, received "cosin"; did you mean "cosine"?',
        ),
        ("{ name = 3 }", "curve.name: expected one of constant, cosine, step, plateau, received 3"),
        ('{ name = "step" }', 'curve.at: missing; the table needs "at"'),
        ('"step"', 'curve: "step" needs "at" too; write it as a table: { name = "step", at = … }'),
        ('{ name = "step", at = [1, "a"] }', 'curve.at.1: expected a whole number, received "a"'),
        ('{ name = "plateau", patience = 0 }', "curve.patience: expected at least 1, received 0"),
        (
            '{ nam = "cosine" }',
            'curve: expected a table with a name, received {"nam": "cosine"} '
            "(learning-rate curve: constant, cosine, step or plateau, or a table with its name and options)",
        ),
        (
            "3",
            "curve: expected a table, received 3 "
            "(learning-rate curve: constant, cosine, step or plateau, or a table with its name and options)",
        ),
    ],
)
def test_a_wrong_curve_is_explained(changed, curve, message):
    lines = changed('curve = { name = "cosine", warmup_epochs = 1 }', f"curve = {curve}")
    assert lines == [f"{FILE}:24: schedule.{message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "unet"', 'name = "unets"', '17: head.name: no head "unets"; did you mean "unet"?'),
        ('name = "unet"', 'name = "qq"', f'17: head.name: no head "qq"; there are {HEADS}'),
        (
            'name = "small_encoder"',
            'name = "smal_encoder"',
            '13: backbone.name: no backbone "smal_encoder"; did you mean "small_encoder"?',
        ),
        ('name = "full"', 'name = "fulll"', '21: schedule.name: no schedule "fulll"; did you mean "full"?'),
        (
            'name = "digit_scenes"',
            'name = "digit_scene"',
            '7: data.name: no dataset "digit_scene"; did you mean "digit_scenes"?',
        ),
        ('name = "unet"', "name = 3", f"17: head.name: expected the name of a head: {DECODERS}, received 3"),
        ('name = "unet"\n', "", f"16: head.name: expected the name of a head: {DECODERS}, received nothing"),
        (
            'name = "unet"',
            'nam = "unet"',
            f"16: head.name: expected the name of a head: {DECODERS}, received nothing; "
            'did you mean "name" instead of "nam"?',
        ),
    ],
)
def test_an_unknown_plugin_name_is_reported_with_the_nearest_one(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('task = "segmentation"\n', "", ": task: missing; it is a required key of a recipe"),
        (
            '[head]\nname = "unet"\nfilters = [64, 32]\n',
            "",
            f": head: missing; expected a table [head] with the name of a head: {DECODERS}",
        ),
        (
            'name = "digit_scenes"',
            'name = "masks"\nimages = "a"\nvalues = { 0 = "a" }',
            f':6: data.masks: missing; it is a required option of dataset "masks" (tlkit {tlkit.__version__})',
        ),
        ("early_stop = 5", "loss = { gamma = 2 }", ':27: train.loss.name: missing; the table needs "name"'),
    ],
)
def test_missing_keys_and_tables_are_reported(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}{message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[input]\nimage_size = 96\n", "", None),
        ("[input]", "[[input]]", '9: input: expected a table [input], received [{"image_size": 96}]'),
        ("seed = 1", "input = 3", "4: input: expected a table [input], received 3"),
    ],
)
def test_a_value_in_the_place_of_a_table_is_refused(registry, problems, old, new, message):
    text = GOOD.replace("[input]\nimage_size = 96\n", "") if new == "input = 3" else GOOD
    if message is None:
        parse_recipe(text.replace(old, new), registry)
    else:
        assert problems(text.replace(old, new)) == [f"{FILE}:{message}"]


def test_a_table_name_used_as_a_key_of_another_table_is_reported_with_its_place(changed):
    first, second = changed('[head]\nname = "unet"\nfilters = [64, 32]\n', "head = 3\n")
    assert first.endswith("it belongs in a table of its own, [head]")
    assert "head: missing" in second


def test_a_head_and_a_data_set_of_another_task_are_refused_with_the_fitting_ones(problems):
    assert problems(GOOD.replace('task = "segmentation"', 'task = "classification"')) == [
        f'{FILE}:7: data.name: dataset "digit_scenes" is for segmentation, but the task is classification; '
        f"expected one of {DATASETS}",
        f'{FILE}:17: head.name: head "unet" is for segmentation, but the task is classification; '
        f"expected one of {CLASSIFIERS}",
    ]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            'engine_precision = "bfloat16"',
            'engine_precision: "bfloat16" needs train.engine = "openvino", received "auto"',
        ),
        (
            'engine = "litert"\nengine_precision = "bfloat16"',
            'engine_precision: "bfloat16" needs train.engine = "openvino", received "litert"',
        ),
        (
            'precision = "mixed_bfloat16"\nengine = "litert"',
            'engine: "litert" needs train.precision = "float32", received "mixed_bfloat16"',
        ),
        (
            'precision = "mixed_float16"\nengine_precision = "bfloat16"\nengine = "openvino"',
            'engine: "openvino" needs train.precision = "float32", received "mixed_float16"',
        ),
    ],
)
def test_number_formats_that_the_engine_can_not_compute_in_are_refused(changed, train, message):
    line = 27 + train[: train.index(message.partition(":")[0] + " =")].count("\n")
    assert changed("early_stop = 5", train) == [f"{FILE}:{line}: train.{message}"]


@pytest.mark.parametrize(
    "train",
    [
        'engine = "openvino"\nengine_precision = "bfloat16"',
        'engine = "tensorflow"\nprecision = "mixed_bfloat16"',
        'precision = "mixed_float16"',
        'loss = "SparseCategoricalCrossentropy"\nmetrics = ["mean_iou", "AUC", "BinaryIoU"]',
    ],
)
def test_what_the_engine_and_keras_have_is_accepted(registry, train):
    parse_recipe(GOOD.replace("early_stop = 5", train), registry, file=FILE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("early_stop = 5", 'loss = "foo"', '27: train.loss: Keras has no loss "foo"'),
        (
            "early_stop = 5",
            'loss = { name = "categorical_crosentropy", label_smoothing = 0.1 }',
            '27: train.loss: Keras has no loss "categorical_crosentropy"; did you mean "categorical_crossentropy"?',
        ),
        (
            "early_stop = 5",
            'metrics = ["auc", "recal"]',
            '27: train.metrics.1: Keras has no metric "recal"; did you mean "recall"?',
        ),
        (
            "learning_rate = 1e-3",
            'optimizer = "adm"',
            '23: schedule.optimizer: Keras has no optimizer "adm"; did you mean "adam"?',
        ),
        (
            'name = "full"\nepochs = 3',
            'name = "two_phase"\nfinetune_optimizer = { name = "qqq" }',
            '22: schedule.finetune_optimizer: Keras has no optimizer "qqq"; the optimizers are adadelta, adafactor, '
            "adagrad, adam, adamax, adamw, ftrl, lamb, lion, muon, nadam, rmsprop, schedulefreeadamw, sgd",
        ),
    ],
)
def test_a_loss_a_metric_and_an_optimizer_that_keras_lacks_are_reported(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


def test_several_errors_in_several_tables_are_reported_at_once_in_the_order_of_their_lines(problems):
    text = (
        GOOD.replace("seed = 1", "seed = -1")
        .replace("filters =", "filers =")
        .replace("epochs = 3", "epochs = 0")
        .replace('name = "small_encoder"', 'name = "smal_encoder"')
        .replace("[train]", "[trian]")
    )
    keys = [line.split(": ")[1] for line in problems(text)]
    assert keys == ["seed", "backbone.name", "head.filers", "schedule.epochs", "trian"]


def test_a_key_in_a_dotted_table_has_its_own_line(problems):
    text = GOOD.replace(
        'curve = { name = "cosine", warmup_epochs = 1 }', '[schedule.curve]\nname = "cosine"\nfinal = 2'
    )
    assert problems(text) == [f"{FILE}:26: schedule.curve.final: expected at most 1, received 2"]


# Files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[input]", "[input", "9: not TOML: Expected ']' at the end of a table declaration: [input"),
        ("seed = 1", "seed =", "4: not TOML: Invalid value: seed ="),
        ("seed = 1", "seed = 1\nseed = 2", "5: not TOML: the key is given twice: seed = 2; remove one of the two"),
        ("[input]\n", "[head]\n", "16: not TOML: the table is given twice: [head]; put all its keys into one"),
        ('name = "pets"', "name = pets", "2: not TOML: Invalid value: name = pets; strings need quotes"),
    ],
)
def test_a_syntax_error_has_its_line_and_a_remedy(changed, old, new, message):
    assert changed(old, new) == [f"{FILE}:{message}"]


def test_a_windows_path_in_double_quotes_is_explained(changed):
    (line,) = changed('weights = "none"', 'weights = "C:\\new\\weights.h5"')
    assert line.startswith(f"{FILE}:14: not TOML: ")
    assert "a path can be written with / or in single quotes" in line


def test_an_empty_file_names_everything_that_is_missing(problems):
    keys = [line.split(": ")[1] for line in problems("")]
    assert keys == ["name", "task", "data", "backbone", "head", "schedule"]


def test_a_file_that_is_not_utf8_is_refused(registry, tmp_path):
    file = tmp_path / "r.toml"
    file.write_bytes(GOOD.replace("A comment", "Ein Überblick").encode("latin-1"))
    with pytest.raises(tlkit.RecipeError, match=r"r\.toml: not UTF-8 text: invalid .* at byte 6$"):
        load_recipe(file, registry)


def test_a_missing_file_is_reported_with_the_nearest_one(registry, tmp_path):
    (tmp_path / "pets.toml").write_text(GOOD)
    with pytest.raises(tlkit.RecipeError, match=r'pest\.toml: no such file; did you mean ".*pets\.toml"\?'):
        load_recipe(tmp_path / "pest.toml", registry)


def test_a_missing_shipped_recipe_is_reported_with_the_nearest_one(registry):
    with pytest.raises(tlkit.RecipeError, match=r'quikstart: no such file; did you mean "quickstart"\?'):
        load_recipe(Path("quikstart"), registry)


def test_a_missing_file_unlike_any_other_points_to_the_list_of_recipes(registry, tmp_path):
    with pytest.raises(tlkit.RecipeError, match="no such file; tlkit recipes ls"):
        load_recipe(tmp_path / "none" / "qqqqqq.toml", registry)


def test_a_folder_instead_of_a_file_points_to_init(registry, tmp_path):
    with pytest.raises(tlkit.RecipeError, match="is a folder, expected a recipe file; tlkit init"):
        load_recipe(tmp_path, registry)


# Overrides ----------------------------------------------------------------------------------------------------------


def test_an_override_changes_the_value_and_the_text_and_keeps_comments(registry):
    recipe = parse_recipe(GOOD, registry, ["data.name=digit_scenes", "head.dropout=0.5", "seed = 7"])
    assert recipe.head.options.dropout == 0.5
    assert recipe.seed == 7
    assert recipe.text.startswith('# A comment.\nname = "pets"\ntask = "segmentation"\nseed = 7\n')
    assert 'name = "digit_scenes"   # made, not read' in recipe.text
    assert parse_recipe(recipe.text, registry).values == recipe.values


def test_without_overrides_the_text_is_unchanged(registry):
    assert parse_recipe(GOOD, registry).text == GOOD


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("name=pets-2", lambda recipe: recipe.name == "pets-2"),
        ('name="pets-2"', lambda recipe: recipe.name == "pets-2"),
        ("head.filters=[16, 8]", lambda recipe: recipe.head.options.filters == (16, 8)),
        ("input.image_size=[96,64]", lambda recipe: recipe.input.image_size == (96, 64)),
        ("train.early_stop.patience=3", None),
        ("train.restore_best=false", lambda recipe: recipe.train.restore_best is False),
        ("schedule.curve.final=0.1", lambda recipe: recipe.schedule.options.curve.final == 0.1),
        ("schedule.curve=constant", lambda recipe: recipe.schedule.options.curve == tlkit.Constant()),
        ("augment.name=flip", lambda recipe: recipe.augment[0].record.name == "flip"),
        ("backbone.weights=/a b/c=d.h5", lambda recipe: recipe.backbone.options.weights == "/a b/c=d.h5"),
        ('train.class_weights."a.b"=2', lambda recipe: recipe.train.class_weights == {"a.b": 2}),
        ('head={ name = "transpose" }', lambda recipe: recipe.head.record.name == "transpose"),
    ],
)
def test_overrides_reach_every_depth_and_their_text_gives_the_same_recipe(registry, problems, override, read):
    if read is None:
        assert problems(GOOD, override) == [f'--set: "{override}": train.early_stop is a value, not a table']
        return
    recipe = parse_recipe(GOOD, registry, [override])
    assert read(recipe)
    assert parse_recipe(recipe.text, registry).values == recipe.values


@pytest.mark.parametrize(
    "override",
    [
        "train.class_weights={ digit = 3 }",
        "train.early_stop.patience=3",
        'train.loss={ name = "dice", table = [{ a = 1 }] }',
        'head={ name = "unet" }',
        'schedule={ name = "full" }',
    ],
)
def test_an_override_beside_dotted_keys_changes_nothing_else(registry, override):
    text = GOOD.replace("[train]\nearly_stop = 5\n", "").replace('[head]\nname = "unet"\nfilters = [64, 32]\n', "")
    text = 'head.name = "unet"\ntrain.monitor = "val_loss"\n' + text
    recipe = parse_recipe(text, registry, [override])
    again = parse_recipe(recipe.text, registry)
    assert again.values == recipe.values
    assert again.name == "pets"


def test_the_last_of_two_overrides_wins(registry):
    assert parse_recipe(GOOD, registry, ["seed=3", "seed=4"]).seed == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("head.dropout=2", "--set head.dropout=2: expected less than 1, received 2"),
        ("seed=x", '--set seed=x: expected a whole number, received "x"'),
        ("head.name=unets", '--set head.name=unets: no head "unets"; did you mean "unet"?'),
        ("schedule.curve.final=2", "--set schedule.curve.final=2: expected at most 1, received 2"),
        (
            "schedule.curve.name=cosin",
            "--set schedule.curve.name=cosin: expected one of constant, cosine, step, "
            'plateau, received "cosin"; did you mean "cosine"?',
        ),
        (
            "input.image_size=[96,4]",
            "--set input.image_size=[96,4]: input.image_size.1: expected at least 8, received 4",
        ),
        ("head=3", "--set head=3: expected a table [head], received 3"),
        ("dropout=3", "--set dropout=3: unknown key of a recipe; it belongs in [head]"),
        ("nonsense", '--set: expected key=value such as head.dropout=0.3, received "nonsense"'),
        ("=3", '--set: expected key=value such as head.dropout=0.3, received "=3"'),
        ("head..x=3", '--set: expected key=value such as head.dropout=0.3, received "head..x=3"'),
        ("name.x=3", '--set: "name.x=3": name is a value, not a table'),
    ],
)
def test_a_wrong_override_is_quoted_as_it_was_given(problems, override, message):
    assert problems(GOOD, override) == [message]


def test_an_override_with_a_value_that_is_not_toml_is_refused(problems):
    (line,) = problems(GOOD, "head.filters=[1,")
    assert line.startswith('--set: "head.filters=[1,": the value is not TOML: ')


def test_a_key_that_no_longer_fits_after_an_override_has_its_line(problems):
    (line,) = problems(GOOD.replace("filters = [64, 32]", 'upsampling = "nearest"'), "head.name=transpose")
    assert line.startswith(f'{FILE}:18: head.upsampling: unknown option of head "transpose"')


def test_errors_of_overrides_and_of_the_file_are_reported_together(problems):
    lines = problems(GOOD.replace("epochs = 3", "epochs = 0"), "nonsense", "seed=x")
    assert [line.split(":")[0] for line in lines] == [str(FILE), "--set", "--set seed=x"]


def test_a_nul_character_is_a_problem_with_its_line(problems):
    text = GOOD.replace('weights = "none"', 'weights = "no\\u0000ne"')
    line = text.splitlines().index('weights = "no\\u0000ne"') + 1
    assert problems(text)[0].startswith(f"{FILE}:{line}: backbone.weights: has a NUL character")
