"""What ``import rtfx`` offers: exactly the names in ``__all__``, each fetched on first use."""

import inspect

import pytest

import rtfx

EXPORTED = ["Audio", "Model", "Rig", "Stream", "__version__", "errors", "from_keras", "from_torch", "load"]


def test_all_is_what_is_promised():
    assert sorted(rtfx.__all__) == sorted(EXPORTED)


def test_all_equals_what_is_exported():
    for name in rtfx.__all__:
        assert getattr(rtfx, name) is not None
    from_homes = set(rtfx._HOMES) | {"errors", "__version__"}
    assert from_homes == set(rtfx.__all__)


@pytest.mark.parametrize("name", ["Audio", "Model", "Rig", "Stream", "load"])
def test_public_names_are_documented(name):
    exported = getattr(rtfx, name)
    assert inspect.getdoc(exported)
    for method, function in inspect.getmembers(exported, inspect.isfunction):
        if not method.startswith("_"):
            assert inspect.getdoc(function), f"{name}.{method} has no docstring"


def test_completion_offers_what_is_not_fetched_yet():
    assert dir(rtfx) == sorted(EXPORTED)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rtfx.nonsense


def test_every_error_is_an_rtfx_error_with_an_exit_code():
    errors = rtfx.errors
    classes = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Exception)]
    assert errors.RtfxError in classes
    for item in classes:
        assert issubclass(item, errors.RtfxError) and item.exit_code in (1, 2)
        assert inspect.getdoc(item)
