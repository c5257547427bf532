"""Every sentence a person reads, in German and English."""

from restorekit.model.locale import Locale

_DE = {
    "year": "Jahr nicht angegeben: ich nehme das letzte Mal ({year}).",
    "month": "Monat nicht angegeben: ich nehme den letzten {day}. eines Monats.",
    "order": "Tag und Monat (oder Uhrzeit) sind so nicht eindeutig.",
    "ampm": "Vormittag oder Abend nicht angegeben.",
    "dst": "Die Uhren wurden umgestellt: Diese Uhrzeit gab es zweimal oder gar nicht.",
    "tz": "Die Zeitzone ist so nicht eindeutig.",
    "zone_server": "Zeitzone nicht angegeben: ich nehme {tz}.",
    "weekday": "Der Wochentag lässt mehr als einen Tag zu.",
    "night": "Eine Nacht gehört zu zwei Tagen.",
    "midnight": "Mitternacht liegt zwischen zwei Tagen.",
    "vague": "Ungefähre Angabe.",
    "event": "Ein Ereignis, keine Uhrzeit.",
    "future": "Das liegt in der Zukunft.",
    "century": "Jahrhundert nicht angegeben: ich nehme {year}.",
    "clipped": "Der Zeitraum läuft noch: ich nehme ihn bis jetzt.",
    "policy": "Die Grenzen sind eine übliche Festlegung.",
    "as_said": "Wie angegeben.",
    "dmy": "Gelesen als Tag/Monat.",
    "mdy": "Gelesen als Monat/Tag.",
    "ymd": "Gelesen als Jahr-Monat-Tag.",
    "ask_year": "Welches Jahr ist gemeint? Der letzte solche Zeitpunkt liegt lange zurück.",
    "ask_order": "Welches Datum ist gemeint? Bitte schreiben Sie es als JJJJ-MM-TT.",
    "ask_ampm": "Vormittags oder abends? Bitte geben Sie die Uhrzeit von 0 bis 24 Uhr an.",
    "ask_dst": "In dieser Nacht wurden die Uhren umgestellt. Welcher der Zeitpunkte ist gemeint?",
    "ask_tz": "Welche Zeitzone ist gemeint?",
    "ask_weekday": "Welcher Tag ist gemeint? Bitte nennen Sie das Datum.",
    "ask_night": "Welche Nacht ist gemeint? Bitte nennen Sie beide Tage, zum Beispiel: Nacht vom 16. auf den 17.01.",
    "ask_midnight": "Der Beginn oder das Ende dieses Tages?",
    "ask_vague": "Können Sie es genauer sagen? Ein Tag oder eine Uhrzeit genügt.",
    "ask_month": "Welcher Monat ist gemeint?",
    "ask_several": "Im Text stehen mehrere Zeitpunkte. Welcher ist gemeint?",
    "question_event": "Wann war das? Im Verlauf der Änderungen lässt es sich suchen; ein Tag oder eine Uhrzeit hilft.",
    "question_vague": "Wann ungefähr? Ein Tag genügt. Der Verlauf der Änderungen kann helfen, ihn zu finden.",
    "question_none": "Ich habe keinen Zeitpunkt gefunden. Bitte schreiben Sie etwa: gestern 14 Uhr, oder 17.01.2009.",
    "question_partly": "Einen Teil verstehe ich nicht, und ich rate nicht. Bitte schreiben Sie JJJJ-MM-TT HH:MM.",
    "question_typo": "„{word}“ kenne ich nicht. Meinten Sie „{suggestion}“?",
    "question_empty": "Welcher Zeitpunkt? Zum Beispiel: gestern 14 Uhr, oder 17.01.2009.",
    "question_long": "Der Text ist zu lang. Bitte schicken Sie nur den Satz mit dem Zeitpunkt.",
    "question_future": "Das liegt in der Zukunft; von dort gibt es kein Backup. Meinten Sie {suggestion}?",
    "question_future_plain": "Das liegt in der Zukunft; von dort gibt es kein Backup. Wann war es?",
    "no_such_date": "Dieses Datum gibt es nicht. Welches ist gemeint?",
    "no_such_time": "Diese Uhrzeit gibt es nicht. Welche ist gemeint?",
    "absurd": "So weit zurück oder voraus gibt es keine Backups. Welcher Zeitpunkt ist gemeint?",
    "contradiction": "Uhrzeit und Tageszeit widersprechen sich. Welche gilt?",
    "reversed": "Das Ende liegt vor dem Anfang. Welcher Zeitraum ist gemeint?",
    "unclear": "Diese Verbindung verstehe ich nicht, und ich rate nicht. Bitte schreiben Sie JJJJ-MM-TT HH:MM.",
    "latest": "Der neueste Stand, den es gibt.",
    "position": "Eine Stelle im Protokoll der Datenbank, kein Zeitpunkt.",
    "whole_day": "ganzer Tag",
    "until": "bis",
    "through": "bis einschließlich",
    "today": "heute",
    "before": "vor",
    "from": "von",
    "ago": "vor {age}",
    "just_now": "gerade eben",
}
_EN = {
    "year": "Year not given: I took the most recent one ({year}).",
    "month": "Month not given: I took the most recent day {day} of a month.",
    "order": "The order of day and month (or a time) is not clear.",
    "ampm": "Morning or evening was not said.",
    "dst": "The clocks changed: that time existed twice, or not at all.",
    "tz": "The time zone is not clear.",
    "zone_server": "Time zone not given: I took {tz}.",
    "weekday": "The weekday allows more than one day.",
    "night": "A night belongs to two days.",
    "midnight": "Midnight lies between two days.",
    "vague": "A rough indication.",
    "event": "An event, not a time.",
    "future": "That is in the future.",
    "century": "Century not given: I took {year}.",
    "clipped": "That has not ended yet: I took it up to now.",
    "policy": "The limits are a usual convention.",
    "as_said": "As said.",
    "dmy": "Read as day/month.",
    "mdy": "Read as month/day.",
    "ymd": "Read as year-month-day.",
    "ask_year": "Which year? The most recent one is long ago.",
    "ask_order": "Which date? Please write it as YYYY-MM-DD.",
    "ask_ampm": "In the morning or in the evening? Please say the time from 0 to 24 hours.",
    "ask_dst": "The clocks changed that night. Which of these times?",
    "ask_tz": "Which time zone?",
    "ask_weekday": "Which day? Please say the date.",
    "ask_night": "Which night? Please name both days.",
    "ask_midnight": "The beginning or the end of that day?",
    "ask_vague": "Can you say it more exactly? A day or a time is enough.",
    "ask_month": "Which month?",
    "ask_several": "There are several times in the text. Which one?",
    "question_event": "When was that? It can be looked up in the history of changes; a day or a time helps.",
    "question_vague": "When, roughly? A day is enough. The history of changes can help to find it.",
    "question_none": "I found no point in time. Please write for example: yesterday 14:00, or 2009-01-17.",
    "question_partly": "I do not understand a part of it, and I do not guess. Please write YYYY-MM-DD HH:MM.",
    "question_typo": "I do not know “{word}”. Did you mean “{suggestion}”?",
    "question_empty": "Which point in time? For example: yesterday 14:00, or 2009-01-17.",
    "question_long": "The text is too long. Please send only the sentence with the time.",
    "question_future": "That is in the future, from where there is no backup. Did you mean {suggestion}?",
    "question_future_plain": "That is in the future, from where there is no backup. Which time in the past?",
    "no_such_date": "There is no such date. Which one is meant?",
    "no_such_time": "There is no such time of day. Which one is meant?",
    "absurd": "There are no backups from so far away. Which point in time is meant?",
    "contradiction": "The time and the part of the day contradict each other. Which one holds?",
    "reversed": "It ends before it begins. Which stretch is meant?",
    "unclear": "I do not understand this combination, and I do not guess. Please write the time as YYYY-MM-DD HH:MM.",
    "latest": "The newest state there is.",
    "position": "A position in the database's log, not a time.",
    "whole_day": "whole day",
    "until": "until",
    "through": "through",
    "today": "today",
    "before": "before",
    "from": "from",
    "ago": "{age} ago",
    "just_now": "just now",
}
_TEXTS = {"de": _DE, "en": _EN}
_WEEKDAYS = {
    "de": ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
}
_UNITS = {
    "de": (("Minute", "Minuten"), ("Stunde", "Stunden"), ("Tag", "Tagen"), ("Jahr", "Jahren")),
    "en": (("minute", "minutes"), ("hour", "hours"), ("day", "days"), ("year", "years")),
}


def text(key: str, locale: Locale, **words: object) -> str:
    """The sentence of that key."""
    return _TEXTS[locale][key].format(**words)


def weekday(number: int, locale: Locale) -> str:
    """Monday is 0."""
    return _WEEKDAYS[locale][number]


def age(seconds: float, locale: Locale) -> str:
    """`vor 5 Tagen`, `5 days ago`."""
    limits = (7200, 172_800, 63_115_200, float("inf"))
    for size, limit, names in zip((60, 3600, 86400, 31_557_600), limits, _UNITS[locale], strict=True):
        if seconds < limit:
            count = int(seconds // size)
            if count <= 0:
                return text("just_now", locale)
            return text("ago", locale, age=f"{count} {names[0] if count == 1 else names[1]}")
    raise AssertionError
