"""``params.yaml`` told from the typed model: for the reference page, and as a JSON Schema.

The meaning of a key is the string below it in its section's class. Python does not keep that
string, so it is read from the source, and only when somebody asks: no stage imports this module.

    python -m lacaf.params.reference > workflow/schemas/params.schema.json
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lacaf.params.section import Section
from lacaf.params.study import Study
from lacaf.params.train import PARTS, Recipe, Train
from lacaf.params.whole import Params

UNIT = re.compile(r"\s*\[([^\]]+)\]")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Key:
    """A key of ``params.yaml``.

    Attributes:
        name: with the sections around it, ``train.early.steps``.
        allowed: which values it takes, in words.
        unit: of its value, empty if it has none.
        meaning: what it does, in Markdown.
        default: its value in the parameters that were given as defaults, None if not there.
    """

    name: str
    allowed: str
    unit: str
    meaning: str
    default: Any


def sections() -> dict[str, tuple[str, list[str]]]:
    """The sections of ``params.yaml`` in order: what each is for, and the names of its keys."""
    told = {}
    for name, field in Params.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, Section):
            told[name] = (inspect.getdoc(model) or "", list(model.model_fields))
        else:
            told[name] = (meanings(Params)[name], [])
    return told


def keys(defaults: Mapping[str, Any]) -> list[Key]:
    """All keys, in the order of the model.

    Args:
        defaults: a whole configuration, as it is read from ``params/demo.yaml``.
    """
    return list(_keys(Params, Params.model_json_schema(), "", defaults))


def _keys(
    model: type[BaseModel], whole: Mapping[str, Any], above: str, defaults: Any
) -> Iterator[Key]:
    told = meanings(model)
    fields = _definition(model, whole)["properties"]
    for name, field in model.model_fields.items():
        default = defaults.get(name) if isinstance(defaults, Mapping) else None
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _keys(field.annotation, whole, f"{above}{name}.", default)
            continue
        unit = UNIT.search(told.get(name, ""))
        yield Key(
            f"{above}{name}",
            allowed(fields[name]),
            unit[1] if unit else "",
            UNIT.sub("", told.get(name, "")),
            default,
        )


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The strings below the fields of a model and of those it derives from, in one line each."""
    told: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if part in (BaseModel, Section) or not issubclass(part, BaseModel):
            continue
        [body] = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    told[name] = " ".join(text.split())
    return told


def allowed(field: Mapping[str, Any]) -> str:
    """Which values a field of a JSON Schema takes, in words."""
    if "anyOf" in field:
        return " or ".join(allowed(choice) for choice in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        count = {field.get("minItems"), field.get("maxItems")}
        number = f"{field['minItems']} of" if len(count) == 1 and None not in count else "list of"
        return f"{number}: {allowed(field.get('items', {}))}"
    if field.get("type") == "object":
        named = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
        return f"by name: {allowed(named[0])}" if isinstance(named[0], Mapping) else "any keys"
    if "$ref" in field:
        return f"a {field['$ref'].rsplit('/', 1)[-1].lower()}"
    words = {"integer": "integer", "number": "number", "string": "text", "boolean": "true, false"}
    bounds = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    kind = words.get(str(field.get("type")), "null")
    limits = [f"{sign} {field[bound]:g}" for bound, sign in bounds.items() if bound in field]
    return " ".join([kind, ", ".join(limits)]).strip()


def schema() -> dict[str, Any]:
    """JSON Schema of ``params.yaml`` with the meaning of every key, for editors.

    What a registry holds (networks, losses, …) is left to ``lacaf check``, so that a new entry
    changes no file but its own.
    """
    whole = {"$schema": DIALECT} | Params.model_json_schema()
    told: list[type[BaseModel]] = [Params, *_models(Params)]
    for model in told:
        for name, meaning in meanings(model).items():
            _definition(model, whole)["properties"][name]["description"] = meaning
    train = _definition(Train, whole)["properties"]
    changes = {name: train[name] for name in Recipe.model_fields}
    for name in PARTS:
        part = _definition(Recipe.model_fields[name].annotation, whole)  # type: ignore[arg-type]
        changes[name] = {key: value for key, value in part.items() if key != "required"}
    one = {"type": "object", "additionalProperties": False, "properties": changes}
    for experiments in (
        train["experiments"],
        _definition(Study, whole)["properties"]["experiments"],
    ):
        [pattern] = experiments["patternProperties"]
        experiments |= {"patternProperties": {pattern: one}, "additionalProperties": False}
    return whole


def _models(model: type[BaseModel]) -> Iterator[type[Section]]:
    """The sections below a model."""
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield field.annotation
            yield from _models(field.annotation)


def _definition(model: type[BaseModel], whole: Mapping[str, Any]) -> dict[str, Any]:
    return dict(whole) if model is Params else whole["$defs"][model.__name__]


def text() -> str:
    """The schema as the file that is kept."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
