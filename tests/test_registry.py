"""The registry: the records of plugins, failures, conflicts, and lookup by kind and name."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

import tlkit
from tlkit.contracts import Backbone, Head
from tlkit.registry import KINDS, Registry, Source
from tlkit.registry.discovery import make_registry
from tlkit.system.text import nearest

MINE = Source("mine", "my-heads", "1.2")
OTHER = Source("other", "other-heads", "3.4")


def head(name: str = "my_head", options: type = tlkit.Options) -> Head:
    return Head(name=name, summary="s", task="classification", options=options, build=lambda *_: None)


def plugin(**functions):
    """Return a module with these functions, each marked as a hook."""
    module = types.ModuleType("plugin")
    for name, function in functions.items():
        setattr(module, name, tlkit.hookimpl(function))
    return module


def offering(*heads):
    return plugin(tlkit_heads=lambda: list(heads))


def reasons(registry: Registry) -> list[str]:
    return [failure.reason for failure in registry.failures]


@pytest.fixture
def empty() -> Registry:
    return Registry()


def test_a_record_is_found_with_its_source(empty):
    mine = head()
    empty.add(offering(mine), MINE, "mine")
    found, source = empty.find_with_source(Head, "my_head")
    assert (found.name, found.build.function, source) == ("my_head", mine.build, MINE)
    assert empty.failures == []


def test_a_single_function_is_a_plugin_and_may_be_a_generator(empty):
    def heads():
        yield head("a")
        yield head("b")

    empty.add(plugin(tlkit_heads=heads), MINE, "mine")
    assert empty.names(Head) == ["a", "b"]


def test_a_hook_may_offer_nothing(empty):
    empty.add(plugin(tlkit_heads=lambda: None), MINE, "mine")
    assert empty.names(Head) == []
    assert empty.failures == []


def test_names_are_sorted_without_regard_to_case(empty):
    empty.add(offering(head("Zeta"), head("alpha"), head("Beta")), MINE, "mine")
    assert empty.names(Head) == ["alpha", "Beta", "Zeta"]
    assert [record.name for record, _ in empty.records(Head)] == ["alpha", "Beta", "Zeta"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("my_haed", 'no head "my_haed"; did you mean "my_head"?'),
        ("MY_HEAD", 'no head "MY_HEAD"; did you mean "my_head"?'),
        ("qqq", 'no head "qqq"; there are my_head'),
    ],
)
def test_an_unknown_name_suggests_the_closest_or_lists_all(empty, asked, expected):
    empty.add(offering(head()), MINE, "mine")
    with pytest.raises(tlkit.PluginError) as caught:
        empty.find(Head, asked)
    assert str(caught.value) == expected


def test_a_kind_without_records_has_none_to_list(empty):
    with pytest.raises(tlkit.PluginError, match=r'no backbone "tiny"; there are none'):
        empty.find(Backbone, "tiny")


def test_a_long_list_of_names_is_shortened(empty):
    empty.add(offering(*(head(f"{number:02d}") for number in range(40))), MINE, "mine")
    with pytest.raises(tlkit.PluginError, match=r"10, 11 and 28 more \(tlkit plugins lists all\)") as caught:
        empty.find(Head, "qqq")
    assert "12" not in str(caught.value)


def test_looking_up_a_name_that_two_plugins_offer_is_an_error_that_names_both(empty):
    empty.add(offering(head()), MINE, "mine")
    empty.add(offering(head(), head("fine")), OTHER, "other")
    with pytest.raises(tlkit.PluginError, match=r'head "my_head" is offered by mine \(my-heads 1\.2\) and other'):
        empty.find(Head, "my_head")
    assert empty.find(Head, "fine").name == "fine"
    assert empty.failures == []


def test_conflicts_are_listed(empty):
    empty.add(offering(head(), head("fine")), MINE, "mine")
    empty.add(offering(head()), OTHER, "other")
    (conflict,) = empty.conflicts()
    assert "my-heads 1.2" in conflict
    assert "other-heads 3.4" in conflict
    assert "TLKIT_PLUGINS" in conflict


def test_a_name_that_one_plugin_offers_twice_is_a_conflict_within_it(empty):
    empty.add(offering(head(), head()), MINE, "mine")
    assert empty.conflicts() == ['head "my_head" is offered twice by mine (my-heads 1.2)']


def test_the_same_name_in_two_kinds_is_no_conflict(empty):
    backbone = tlkit.Backbone(name="x", summary="s", options=tlkit.BackboneOptions, build=lambda *_: None)
    empty.add(plugin(tlkit_heads=lambda: [head("x")], tlkit_backbones=lambda: [backbone]), MINE, "mine")
    assert empty.conflicts() == []
    assert empty.find(Backbone, "x").build.function is backbone.build


def test_a_hook_that_raises_is_a_failure_and_the_plugins_other_hooks_are_used(empty):
    def broken():
        raise RuntimeError("no licence")

    module = plugin(tlkit_augmentations=broken, tlkit_heads=lambda: [head()])
    empty.add(module, MINE, "mine")
    (failure,) = empty.failures
    assert failure.source == MINE
    assert failure.reason.startswith("tlkit_augmentations: RuntimeError: no licence (")
    assert "Traceback" in failure.details
    assert empty.names(Head) == ["my_head"]


def test_a_generator_that_raises_midway_offers_nothing(empty):
    def heads():
        yield head()
        raise RuntimeError("half way")

    empty.add(plugin(tlkit_heads=heads), MINE, "mine")
    assert empty.names(Head) == []
    assert reasons(empty)[0].startswith("tlkit_heads: RuntimeError: half way (")


def test_looking_up_a_missing_name_lists_the_plugins_that_failed(empty):
    empty.add(plugin(tlkit_heads=lambda: 1 / 0), MINE, "mine")
    with pytest.raises(tlkit.PluginError, match=r"mine \(my-heads 1\.2\): tlkit_heads: ZeroDivisionError: division"):
        empty.find(Head, "my_head")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("my_head", "tlkit_heads: expected Head records, received 'my_head'"),
        (None, "tlkit_heads: expected Head records, received None"),
        (head(options=dict), 'tlkit_heads: the options of "my_head" are not a subclass of tlkit.Options'),
        (head(options=tlkit.Options()), 'tlkit_heads: the options of "my_head" are not a subclass of tlkit.Options'),
        (head(name=3), "tlkit_heads: expected a name that is a string, received 3"),
        (head(name=""), "tlkit_heads: expected a name that is a string, received ''"),
    ],
)
def test_a_wrong_record_is_a_failure_and_the_right_ones_are_used(empty, record, reason):
    empty.add(offering(record, head("right")), MINE, "mine")
    assert reasons(empty) == [reason]
    assert empty.names(Head) == ["right"]


def test_a_record_of_another_kind_is_a_failure(empty):
    empty.add(plugin(tlkit_backbones=lambda: [head()]), MINE, "mine")
    assert reasons(empty)[0].startswith("tlkit_backbones: expected Backbone records, received Head(")
    assert empty.names(Backbone) == []
    assert empty.names(Head) == []


def test_a_backbones_options_must_derive_from_backbone_options(empty):
    record = tlkit.Backbone(name="x", summary="s", options=tlkit.Options, build=lambda *_: None)
    empty.add(plugin(tlkit_backbones=lambda: [record]), MINE, "mine")
    assert reasons(empty) == ['tlkit_backbones: the options of "x" are not a subclass of tlkit.BackboneOptions']


def test_an_option_named_name_is_refused(empty):
    class Named(tlkit.Options):
        name: str = "x"

    empty.add(offering(head(options=Named)), MINE, "mine")
    assert 'have a field "name"' in reasons(empty)[0]
    assert empty.names(Head) == []


def test_a_hook_that_returns_one_record_instead_of_several_is_a_failure(empty):
    empty.add(plugin(tlkit_heads=head), MINE, "mine")
    assert "TypeError" in reasons(empty)[0]
    assert empty.names(Head) == []


def test_a_misspelt_hook_is_named_with_the_nearest(empty):
    empty.add(plugin(tlkit_haeds=lambda: [head()]), MINE, "mine")
    assert 'there is no hook "tlkit_haeds"; did you mean "tlkit_heads"?' in reasons(empty)


def test_a_marked_function_far_from_any_hook_lists_the_hooks(empty):
    empty.add(plugin(zzz=lambda: []), MINE, "mine")
    assert reasons(empty)[0].startswith('there is no hook "zzz"; the hooks are tlkit_backbones, tlkit_heads')


def test_an_undecorated_hook_is_named(empty):
    empty.add(types.SimpleNamespace(tlkit_heads=lambda: [head()]), MINE, "mine")
    assert reasons(empty) == ['"tlkit_heads" is not marked as a hook; write @tlkit.hookimpl above it']
    assert empty.names(Head) == []


def test_an_undecorated_and_misspelt_hook_is_named(empty):
    empty.add(types.SimpleNamespace(tlkit_haeds=lambda: [head()]), MINE, "mine")
    (reason,) = reasons(empty)
    assert '"tlkit_haeds"' in reason
    assert '"tlkit_heads"' in reason
    assert "@tlkit.hookimpl" in reason


def test_other_names_in_a_plugin_are_ignored(empty):
    empty.add(types.SimpleNamespace(helper=lambda: None, tlkit_version="1.0", tlkit=tlkit), MINE, "mine")
    assert empty.failures == []


def test_a_hook_with_an_argument_that_does_not_exist_is_a_failure_and_leaves_nothing_behind(empty):
    module = plugin(tlkit_check_recipe=lambda recipe, colour: [recipe, colour], tlkit_heads=lambda: [head()])
    empty.add(module, MINE, "mine")
    assert "colour" in reasons(empty)[0]
    assert empty.sources == {}
    assert empty.check_recipe({}) == []


def test_a_hook_may_take_fewer_arguments_than_there_are(empty):
    empty.add(plugin(tlkit_check_recipe=lambda: [tlkit.Problem("seed", "no")]), MINE, "mine")
    assert empty.check_recipe({"seed": 3}) == [tlkit.Problem("seed", "no")]


def test_problems_of_all_plugins_are_collected(empty):
    empty.add(plugin(tlkit_check_recipe=lambda recipe: [tlkit.Problem("seed", f"{recipe['seed']}")]), MINE, "mine")
    empty.add(plugin(tlkit_check_recipe=lambda: None), OTHER, "other")
    assert empty.check_recipe({"seed": 3}) == [tlkit.Problem("seed", "3")]


@pytest.mark.parametrize("hook", ["tlkit_callbacks", "tlkit_phase_finished", "tlkit_report_sections"])
def test_a_hook_that_raises_in_a_run_names_its_plugin_and_line(empty, hook):
    empty.add(plugin(**{hook: lambda run: run.nothing}), MINE, "mine")
    with pytest.raises(
        tlkit.PluginError, match=rf"mine \(my-heads 1.2\): {hook}: AttributeError: .*test_registry.py:\d+"
    ):
        empty.ask(hook, object, run=Path("run"), phase=None, metrics={}, result={})


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda recipe: recipe["nothing"], "mine (my-heads 1.2): tlkit_check_recipe: KeyError: 'nothing'"),
        (
            lambda: ["too large"],
            "mine (my-heads 1.2): tlkit_check_recipe: expected tlkit.Problem, received 'too large'",
        ),
    ],
)
def test_a_check_that_fails_names_its_plugin(empty, check, message):
    empty.add(plugin(tlkit_check_recipe=check), MINE, "mine")
    with pytest.raises(tlkit.PluginError) as caught:
        empty.check_recipe({})
    assert str(caught.value).startswith(message)


def test_two_registries_share_nothing():
    first, second = Registry(), Registry()
    first.add(offering(head()), MINE, "mine")
    assert second.names(Head) == []


def test_every_kind_has_first_party_records_and_no_conflict(registry):
    assert all(registry.names(kind) for kind in KINDS)
    assert registry.conflicts() == []


def test_first_party_records_have_a_summary_of_one_line_and_a_description_for_each_option(registry):
    for kind in KINDS:
        for record, _ in registry.records(kind):
            assert record.summary, record.name
            assert "\n" not in record.summary, record.name
            for key, info in record.options.model_fields.items():
                assert info.description, f"{record.name}.{key}"


def test_first_party_plugins_come_from_the_distribution_tlkit(registry):
    assert {str(source) for source in registry.sources.values()} == {f"tlkit {tlkit.__version__}"}


def test_two_registries_have_the_same_names():
    first, second = make_registry(environ={}), make_registry(environ={})
    assert [first.names(kind) for kind in KINDS] == [second.names(kind) for kind in KINDS]


@pytest.mark.parametrize(
    ("name", "found"), [("resnet50", "ResNet50"), ("ResNet5O", "ResNet50"), ("zzz", None), ("", None)]
)
def test_nearest(name, found):
    assert nearest(name, ["ResNet50", "ResNet101", "VGG16"]) == found
