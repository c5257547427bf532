"""How tables are spoken of: which never matter, what people call the others, and in which language."""

from fnmatch import fnmatchcase

from restorekit.model.value import Value


class Labels(Value):
    """Patterns over table names (`*_session*`), in their order; the first that fits counts.

    A muted table never makes an episode. A label is only a word for sentences: what is routine and what is not, the
    data says (forcing tables to "content" by name was measured and found worse). `locale` is the language of the
    sentences: German if it begins with `de`, else English.
    """

    mute: tuple[str, ...] = ()
    names: dict[str, str] = {}
    locale: str = "en"

    def muted(self, table: str) -> bool:
        """Whether changes to this table never matter."""
        return any(fnmatchcase(table, pattern) for pattern in self.mute)

    def said(self, table: str) -> str:
        """The table as a sentence names it: `posts (wp_posts)`, or just its name."""
        word = next((word for pattern, word in self.names.items() if fnmatchcase(table, pattern)), "")
        return f"{word} ({table})" if word else table
