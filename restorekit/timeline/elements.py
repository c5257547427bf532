"""The elements of a drawing: everything a customer named is escaped here, once."""

from html import escape

Attribute = str | float


def element(tag: str, *inner: str, **attributes: Attribute) -> str:
    """One element; `inner` are elements already. `stroke_width` becomes `stroke-width`, `class_` `class`."""
    said = "".join(f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"' for name, value in attributes.items())
    return f"<{tag}{said}>{''.join(inner)}</{tag}>" if inner else f"<{tag}{said}/>"


def words(tag: str, content: str, **attributes: Attribute) -> str:
    """An element that holds text."""
    return element(tag, escape(content), **attributes)


def item(label: str, *inner: str) -> str:
    """Something drawn that is also an entry of a list, for who hears or hovers."""
    return element("g", words("title", label), *inner, role="listitem", aria_label=label)


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
