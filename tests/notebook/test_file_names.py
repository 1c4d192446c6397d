"""The name for `save` and `load`: text before it becomes part of the file's name, however it is joined."""

from __future__ import annotations

import ast
import json
import os
import pickle
import string
import textwrap
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.notebook.file_names import FileName
from dltk_runtime.notebook.prefixes import keep_prefixes

NAME = FileName("versions/umap/m/7/umap_m", "/data")
FOLDER = "/data/versions/umap/m/7/"
PLACES = {
    "MODEL_DIRECTORY + name + '.json'": "umap_m.json",
    "MODEL_DIRECTORY + 'model_' + name + '.json'": "model_umap_m.json",
    "MODEL_DIRECTORY + ('model_' + name) + '.json'": "model_umap_m.json",
    "MODEL_DIRECTORY + 'model_' + (name + '.json')": "model_umap_m.json",
    "MODEL_DIRECTORY + 'a_' + ('b_' + (name + '.json'))": "a_b_umap_m.json",
    "f'{MODEL_DIRECTORY}{name}.json'": "umap_m.json",
    "f'{MODEL_DIRECTORY}model_{name}.json'": "model_umap_m.json",
    "f'/data/model_{name}.json'": "model_umap_m.json",
    "f'/data/model_{name!s}_{1 + 1}.json'": "model_umap_m_2.json",
    "os.path.join(MODEL_DIRECTORY, name)": "umap_m",
    "os.path.join('/data', name + '.json')": "umap_m.json",
    "os.path.join('/data', f'model_{name}.json')": "model_umap_m.json",
    "os.path.join('/data', f'model_{name}', 'weights.h5')": "model_umap_m/weights.h5",
    "os.path.join('/data', 'model_' + name + '/weights.h5')": "model_umap_m/weights.h5",
    "str(Path(MODEL_DIRECTORY) / f'model_{name}.json')": "model_umap_m.json",
    "str(Path(MODEL_DIRECTORY, name))": "umap_m",
    "MODEL_DIRECTORY + 'model_%s.json' % name": "model_umap_m.json",
    "'%smodel_%s.json' % (MODEL_DIRECTORY, name)": "model_umap_m.json",
    "'{}model_{}.json'.format(MODEL_DIRECTORY, name)": "model_umap_m.json",
    "'{1}model_{0}.json'.format(name, MODEL_DIRECTORY)": "model_umap_m.json",
    "'{where}model_{what}.json'.format(what=name, where=MODEL_DIRECTORY)": "model_umap_m.json",
    "MODEL_DIRECTORY + '_'.join(['model', name, '.json'])": "model_umap_m_.json",
    "''.join((MODEL_DIRECTORY, 'model_', name, '.json'))": "model_umap_m.json",
    "'/'.join([MODEL_DIRECTORY.rstrip('/'), name])": "umap_m",
    "MODEL_DIRECTORY + 'sub/model_' + name": "sub~model_umap_m",
    "os.path.join('/data', 'sub', name)": "sub~umap_m",
    "MODEL_DIRECTORY + '/model_' + name": "model_umap_m",
    "'%s/./model_%s_%d' % (MODEL_DIRECTORY, name, 3)": "model_umap_m_3",
    "MODEL_DIRECTORY + 'model_' + str(name)": "model_umap_m",
    "f'{MODEL_DIRECTORY}model_{str(name)}.json'": "model_umap_m.json",
    "f'{MODEL_DIRECTORY}model_{name:s}_{3:03d}.json'": "model_umap_m_003.json",
    "'{}model_{:s}_{:03d}.json'.format(MODEL_DIRECTORY, name, 3)": "model_umap_m_003.json",
    "'%smodel_%s_%03d.json' % (MODEL_DIRECTORY, name, 3)": "model_umap_m_003.json",
    "'%(where)smodel_%(what)s' % {'where': MODEL_DIRECTORY, 'what': name}": "model_umap_m",
    "'%s%s' % (MODEL_DIRECTORY, 'model_' + name)": "model_umap_m",
    "'{}{}'.format(MODEL_DIRECTORY, f'model_{name}')": "model_umap_m",
    "f\"{MODEL_DIRECTORY}{'model_%s' % name}.json\"": "model_umap_m.json",
    "string.Template('${where}model_$what').substitute(where=MODEL_DIRECTORY, what=name)": "model_umap_m",
    "os.sep.join([MODEL_DIRECTORY.rstrip('/'), 'model_' + name])": "model_umap_m",
    "MODEL_DIRECTORY + 'model_' + name.replace(' ', '_').lower()": "model_umap_m",
    "f'{MODEL_DIRECTORY}model_{name.strip()}'": "model_umap_m",
    "str(Path(MODEL_DIRECTORY) / ('model_%s' % name))": "model_umap_m",
    "str(Path(MODEL_DIRECTORY) / 'sub' / name)": "sub~umap_m",
    "str(Path(MODEL_DIRECTORY).joinpath('sub', name))": "sub~umap_m",
    "MODEL_DIRECTORY + name + '/' + name + '.json'": "umap_m/umap_m.json",
    "MODEL_DIRECTORY + name + '/model_' + name": "umap_m/model_umap_m",
    "os.path.join(MODEL_DIRECTORY + name, name + '.json')": "umap_m/umap_m.json",
    "f'{MODEL_DIRECTORY}{name}/model_{name}.json'": "umap_m/model_umap_m.json",
    "'{0}{1}/{1}.json'.format(MODEL_DIRECTORY, name)": "umap_m/umap_m.json",
    "str(Path(MODEL_DIRECTORY) / name / f'{name}.json')": "umap_m/umap_m.json",
    "[f'{MODEL_DIRECTORY}{kind}_{name}' for kind in ('model',)][0]": "model_umap_m",
    "(lambda what: f'{MODEL_DIRECTORY}model_{what}')(name)": "model_umap_m",
}


def called(body: str, name: str, directory: str = "/data/") -> Any:
    """The path that a function `save` with this body returns."""
    head = f"import os, string\nfrom pathlib import Path\nMODEL_DIRECTORY = {directory!r}\n"
    text = f"{head}def save(model, name):\n{body}\n"
    names: dict[str, Any] = {}
    exec(compile(keep_prefixes(ast.parse(text)), "cell", "exec"), names)
    return names["save"](None, name)


@pytest.mark.parametrize(("text", "file"), PLACES.items())
def test_a_prefix_becomes_part_of_the_files_name(text: str, file: str) -> None:
    found = called(f"    return {text}", NAME)
    assert found == FOLDER + file
    assert type(found) is str


@pytest.mark.parametrize("text", PLACES)
def test_for_an_ordinary_name_nothing_changes(text: str) -> None:
    plain: dict[str, Any] = {"os": os, "string": string, "Path": Path, "MODEL_DIRECTORY": "/data/", "name": "umap_m"}
    expected = eval(text, plain)
    assert called(f"    return {text}", "umap_m") == expected
    assert called(f"    return {text}", FileName("umap_m", "/data")) == expected  # an old volume's


@pytest.mark.parametrize(
    "body",
    [
        "def path(kind, of): return f'{MODEL_DIRECTORY}{kind}_{of}'\nreturn path('model', name)",
        "def path(kind): return f'{MODEL_DIRECTORY}{kind}_{name}'\nreturn path('model')",
        "def path(*parts): return f'{MODEL_DIRECTORY}{parts[0]}_{parts[1]}'\nreturn path('model', name)",
        "file = f'{name}'\nother = 'model_%s' % file\nreturn MODEL_DIRECTORY + other",
        "file: str = name\nreturn f'{MODEL_DIRECTORY}model_{file}'",
        "file, rest = name, 'x'\nreturn f'{MODEL_DIRECTORY}model_{file}'",
        "for file in [name]: return f'{MODEL_DIRECTORY}model_{file}'",
        "parts = {'name': name}\nreturn f\"{MODEL_DIRECTORY}model_{parts['name']}\"",
        "PATTERN = '{}model_{}'\nreturn PATTERN.format(MODEL_DIRECTORY, name)",
        "PATTERN = '%smodel_%s'\nreturn PATTERN % (MODEL_DIRECTORY, name)",
        "path = MODEL_DIRECTORY\npath += 'model_'\npath += name\nreturn path",
        """
class Store:
    def __init__(self, name): self.name = name
    def path(self): return f'{MODEL_DIRECTORY}model_{self.name}'
return Store(name).path()""",
    ],
)
def test_a_text_made_of_the_name_keeps_it_through_variables_and_helpers(body: str) -> None:
    assert called(textwrap.indent(body, "    "), NAME) == FOLDER + "model_umap_m"


@pytest.mark.parametrize("value", [5, None, ("a",), 2.5, "text", b"x"])
@pytest.mark.parametrize("text", ["f'a{name}b'", "f'a{name!r}b'", "f'{name:>5}'", "'a{}'.format(name)", "f'{name}'"])
def test_other_values_are_joined_as_ever(text: str, value: Any) -> None:
    try:
        expected = eval(text, {"name": value})
    except TypeError as error:
        with pytest.raises(TypeError, match=str(error)[:10]):
            called(f"    return {text}", value)
        return
    assert called(f"    return {text}", value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "'%d' % len(name)",
        "'{'.join(name)",
        "'_'.join([*name])",
        "'_'.join([])",
        "f'{name!r}'",
        "'{}'.format(*name)",
        "os.path.join(name, 'x')",
    ],
)
def test_what_may_join_no_name_is_left_as_it_is(text: str) -> None:
    tree = ast.parse(f"def save(model, name): return {text}")
    assert ast.unparse(keep_prefixes(ast.parse(ast.unparse(tree)))) == ast.unparse(tree)


def test_long_texts_cost_no_more_than_in_proportion_and_end_nothing() -> None:
    assert called(f"    return f'{{MODEL_DIRECTORY}}{'{name}_' * 300}'", NAME).startswith(FOLDER + "umap_m_umap_m_")
    assert called(f"    return MODEL_DIRECTORY {'+ name[:0] ' * 700}+ 'model_' + name", NAME) == FOLDER + "model_umap_m"


def test_a_name_in_a_model_is_plain_text_for_everybody_else() -> None:
    assert type(pickle.loads(pickle.dumps({"name": NAME}))["name"]) is str
    assert json.dumps(NAME) == '"versions/umap/m/7/umap_m"'
    assert NAME == "versions/umap/m/7/umap_m"
