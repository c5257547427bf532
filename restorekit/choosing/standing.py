"""What stands between a point and its bytes, said in German and English."""

from datetime import datetime

from restorekit.model.locale import Locale
from restorekit.model.readiness import Readiness

_TEXTS: dict[Locale, dict[str, str]] = {
    "en": {
        "ready": "the backup can be read at once",
        "cold": "the backup is in cold storage and has to be fetched from there first",
        "thawing": "the backup is being fetched from cold storage{by}",
        "on_tape": "the backup has to be read from tape first: {volumes}{by}",
        "operator": "somebody has to put a tape into the library first: {volumes}",
        "by": ", ready about {at}",
        "somewhere": "a tape",
    },
    "de": {
        "ready": "die Sicherung kann sofort gelesen werden",
        "cold": "die Sicherung liegt im Kaltspeicher und muss erst von dort geholt werden",
        "thawing": "die Sicherung wird aus dem Kaltspeicher geholt{by}",
        "on_tape": "die Sicherung muss erst vom Band gelesen werden: {volumes}{by}",
        "operator": "jemand muss erst ein Band in die Bandbibliothek legen: {volumes}",
        "by": ", bereit etwa {at}",
        "somewhere": "ein Band",
    },
}


def standing(stands: Readiness) -> dict[Locale, str]:
    """One sentence in each language."""
    return {"de": _said(stands, "de"), "en": _said(stands, "en")}


def _said(stands: Readiness, locale: Locale) -> str:
    texts = _TEXTS[locale]
    wanted = [p for p in stands.pieces if stands.state != "operator" or not p.in_library]
    volumes = ", ".join(dict.fromkeys(p.volume for p in wanted)) or texts["somewhere"]
    by = texts["by"].format(at=_minute(stands.ready_at)) if stands.ready_at else ""
    return texts[stands.state].format(volumes=volumes, by=by)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
