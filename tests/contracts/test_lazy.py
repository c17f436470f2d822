"""Functions of plugins that are imported when they are called."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

import tlkit
from tlkit.data.feed.policies import code_digest


def test_a_lazy_function_calls_the_function_it_names():
    divide = tlkit.lazy("operator:floordiv")
    assert divide(7, 2) == 3


def test_the_module_is_imported_when_the_function_is_called_and_not_before():
    code = (
        "import sys, tlkit\n"
        "plan = tlkit.lazy('tlkit_schedules.long:plan_from_scratch')\n"
        "assert 'tlkit_schedules' not in sys.modules\n"
        "from tlkit_schedules.options import FromScratchOptions\n"
        "[phase] = plan(tlkit.Outline((tlkit.Block('a', ('a',), 2),), False), options=FromScratchOptions())\n"
        "assert phase.blocks == ('a',)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            "tlkit_nowhere.heads:build",
            'plugin package tlkit_nowhere: "tlkit_nowhere.heads:build" can\'t be imported: '
            "ModuleNotFoundError: No module named 'tlkit_nowhere'",
        ),
        (
            "tlkit_heads.unett:build",
            'plugin package tlkit_heads: "tlkit_heads.unett:build" can\'t be imported: '
            "ModuleNotFoundError: No module named 'tlkit_heads.unett'",
        ),
        (
            "tlkit_heads.options:biuld",
            'plugin package tlkit_heads: "tlkit_heads.options:biuld": the module tlkit_heads.options has no "biuld"',
        ),
    ],
)
def test_a_missing_target_names_the_plugin(target, reason):
    with pytest.raises(tlkit.PluginError) as caught:
        tlkit.lazy(target)()
    assert str(caught.value) == reason


def test_what_the_function_raises_is_not_changed():
    with pytest.raises(ZeroDivisionError):
        tlkit.lazy("operator:truediv")(1, 0)


@pytest.mark.parametrize(
    "target", ["", "build", "module:", ":build", "module.build", "a:b:c", "a..b:c", "a b:c", "a:b.c"]
)
def test_a_target_of_another_form_is_refused_at_once(target):
    with pytest.raises(ValueError, match=r'expected "package\.module:function", received'):
        tlkit.lazy(target)


def test_a_lazy_function_can_be_pickled_copied_and_compared():
    build = tlkit.lazy("tlkit_heads.unet:build")
    assert pickle.loads(pickle.dumps(build)) == copy.deepcopy(build) == build != tlkit.lazy("tlkit_heads.fpn:build")
    assert pickle.loads(pickle.dumps(build)).__module__ == "tlkit_heads.unet"
    assert (build.__module__, build.__name__) == ("tlkit_heads.unet", "build")


def test_the_digest_of_its_code_is_the_digest_of_the_functions_own():
    import tlkit_augment
    import tlkit_heads  # noqa: F401
    from tlkit_augment import flips

    digest = code_digest(tlkit.lazy("tlkit_augment.flips:flip"))
    assert digest == code_digest(flips.flip) == code_digest(tlkit_augment.build_none)
    assert digest != code_digest(tlkit.lazy("tlkit_heads.unet:build"))
