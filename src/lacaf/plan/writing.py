"""Parameters written into the text of a file, so that its own comments stay."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import yaml

from lacaf.params.section import ParamsError
from lacaf.params.whole import parse
from lacaf.plan.line import Line

#: Before each line of a reason; lines that begin so are this command's, and replaced by it.
MARK = "# plan: "
COLUMNS = 100


def written(text: str, lines: Sequence[Line]) -> str:
    """The text of ``params.yaml`` with the changed values, a comment with the reason above each.

    Raises:
        ParamsError: the file is written in a way in which a value cannot be exchanged alone, or
            the result would not be valid.
    """
    expected = yaml.safe_load(text)
    edits: list[tuple[int, int, str]] = []
    reasons: dict[int, list[str]] = {}
    for line in lines:
        if line.changed:
            _put(expected, line)
            head, value = _place(text, line.key)
            edits.append((value.start_mark.index, _end(value), flow(line.value)))
            reasons.setdefault(head.start_mark.index, []).append(f"{line.key}: {line.why}")
    edits += [_comment(text, place, told) for place, told in reasons.items()]
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if _content(text) != expected:
        raise ParamsError(
            "params.yaml is written in a way (anchors, or texts over several lines) in which its "
            "values cannot be exchanged one by one; write it as params/demo.yaml is"
        )
    parse(expected, "what is proposed")
    return text


def _content(text: str) -> Any:
    """What a text says; None if it is broken."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def flow(value: Any) -> str:
    """A value as it stands in a line of YAML."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _put(content: Any, line: Line) -> None:
    *sections, last = line.key.split(".")
    for section in sections:
        content = content[section]
    content[last] = line.value


def _place(text: str, key: str) -> tuple[yaml.Node, yaml.Node]:
    """Where a key's value stands, and the key at the head of its line."""
    node: Any = yaml.compose(text, yaml.SafeLoader)
    head: Any = None
    for part in key.split("."):
        [(name, value)] = [(k, v) for k, v in node.value if k.value == part]
        if head is None or not node.flow_style:
            head = name
        node = value
    return head, node


def _end(node: yaml.Node) -> int:
    """Where a value's own text ends: a list over several lines, with its last entry."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _comment(text: str, place: int, told: Sequence[str]) -> tuple[int, int, str]:
    """The reasons above the line of a key, in place of those of an earlier plan."""
    begin = first = text.rfind("\n", 0, place) + 1
    while first:
        before = text.rfind("\n", 0, first - 1) + 1
        if not text[before:first].lstrip().startswith(MARK.rstrip()):
            break
        first = before
    indent = text[begin:place][: -len(text[begin:place].lstrip()) or None] + MARK
    rows = [
        row
        for reason in told
        for row in textwrap.wrap(
            reason, COLUMNS, initial_indent=indent, subsequent_indent=indent,
            break_on_hyphens=False, break_long_words=False,
        )
    ]  # fmt: skip
    return first, begin, "".join(row + "\n" for row in rows)
