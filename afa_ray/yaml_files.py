"""YAML of settings, read with limits: names and plain values, and nothing that runs or explodes.

Values are texts, numbers, true or false and null, as in YAML 1.2; what looks like a date or like
base 60 is a text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from afa_ray.errors import UserError, first_line

MOST_BYTES, DEEPEST, MOST_NODES = 1_000_000, 20, 10_000
TAG = "tag:yaml.org,2002:"
PLAIN_TAGS = {TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "merge")}
NOT_AS_USUAL = (TAG + "int", TAG + "timestamp")
RARE_ENDS = set("\x85\u2028\u2029")  # of lines
NUMBER = re.compile(r"(?:[-+]?(?:0|[1-9][\d_]*)|0x[\da-fA-F]+)$")


class YamlError(UserError):
    """A text that is not the YAML that settings are written in; the message says why."""


def load_yaml(text: str) -> Any:
    """Nested dictionaries, lists and plain values.

    Raises:
        YamlError: no YAML, names that are no texts, other types, or more than `MOST_NODES` values
            (aliases count as what they stand for) or `DEEPEST` levels.
    """
    if len(text) > MOST_BYTES:
        raise YamlError(f"longer than {MOST_BYTES:,} characters")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        _require_few(root)
        return None if root is None else loader.construct_document(root)
    except YamlError:
        raise
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from error
    except (
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise YamlError(f"a value does not fit its type: {first_line(error)}") from error


def dump_yaml(tree: Any) -> str:
    """What `load_yaml` reads as the same nested dictionaries, lists and plain values."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Safe, with the rare ends of lines escaped, which YAML would fold into common ones."""


def _escaped(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if RARE_ENDS & set(text) else None
    return dumper.represent_scalar(TAG + "str", text, style)


_Dumper.add_representer(str, _escaped)


class _Loader(yaml.SafeLoader):
    """Safe, without dates and without base 60: 1:4 is a text, as in YAML 1.2, not 64. It stops
    where a text has too many nodes, or nests them too deep."""

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise YamlError(f"more than {MOST_NODES:,} values")
        inner = self.check_event(yaml.CollectionStartEvent)
        self.depth += inner
        if self.depth > DEEPEST:
            raise YamlError(f"nested more than {DEEPEST} levels deep")
        node = super().compose_node(parent, index)
        self.depth -= inner
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep)
        if odd := [name for name in found if not isinstance(name, str)]:
            raise YamlError(f"the name {odd[0]!r} is no text")
        return found


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in NOT_AS_USUAL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(TAG + "int", NUMBER, list("-+0123456789"))


def _require_few(root: yaml.Node | None) -> None:
    """Count the values that aliases stand for, without making them."""
    sizes: dict[int, int] = {}  # of finished nodes; 0 of those that are being counted

    def size(node: yaml.Node) -> int:
        if node.tag not in PLAIN_TAGS:
            raise YamlError(f"{node.tag.replace(TAG, '!!')} is no type that settings have")
        if sizes.get(id(node)) == 0:
            raise YamlError("an alias stands for what it is in itself")
        if id(node) not in sizes:
            _require_each_once(node)
            sizes[id(node)] = 0
            sizes[id(node)] = 1 + sum(map(size, _children(node)))
            if sizes[id(node)] > MOST_NODES:
                raise YamlError(f"more than {MOST_NODES:,} values, with what aliases stand for")
        return sizes[id(node)]

    if root is not None:
        size(root)


def _require_each_once(node: yaml.Node) -> None:
    """The names of a group: of two with the same name the first one would be lost."""
    seen: set[str] = set()
    for name, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(name, yaml.ScalarNode) and name.tag == TAG + "str":
            if name.value in seen:
                line = name.start_mark.line + 1
                raise YamlError(f"{name.value} stands there twice (line {line}); put it into one")
            seen.add(name.value)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []
