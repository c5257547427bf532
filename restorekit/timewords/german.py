"""What German words mean. Umlauts are also understood as ae, oe, ue and without dots."""

MONTHS = {
    1: "januar jan jänner jän januars",
    2: "februar feb febr feber februars",
    3: "märz mär mrz",
    4: "april apr",
    5: "mai",
    6: "juni jun juno",
    7: "juli jul",
    8: "august aug",
    9: "september sep sept",
    10: "oktober okt",
    11: "november nov",
    12: "dezember dez",
}
WEEKDAYS = {
    0: "montag mo",
    1: "dienstag di",
    2: "mittwoch mi",
    3: "donnerstag do",
    4: "freitag fr",
    5: "samstag sonnabend sa",
    6: "sonntag so",
}
DAYS = {
    0: "heute heut heutige heutigen heutiger heutiges",
    -1: "gestern gestrige gestrigen gestriger gestriges gestrigem",
    -2: "vorgestern vorgestrige vorgestrigen vorgestriger vorgestriges",
    -3: "vorvorgestern",
    1: "morgen",
    2: "übermorgen",
}
DAYPARTS = {
    "de_morning": "morgen morgens früh frühmorgens frühs morgenstunden",
    "de_forenoon": "vormittag vormittags vormittagsstunden",
    "de_noon": "mittag mittags",
    "de_afternoon": "nachmittag nachmittags nachmittagsstunden",
    "de_evening": "abend abends abendstunden",
    "de_night": "nacht",
    "de_nights": "nachts nachtstunden",
    "closing": "feierabend dienstschluss geschäftsschluss büroschluss",
}
UNITS = {
    "second": "sekunde sekunden sek",
    "minute": "minute minuten min",
    "hour": "stunde stunden std stdn",
    "day": "tag tage tagen tages",
    "week": "woche wochen",
    "weekend": "wochenende wochenendes wochenenden",
    "month": "monat monate monaten monats",
    "year": "jahr jahre jahren jahres",
}
WHICH = {
    "last": "letzte letzten letzter letztes letztem vergangene vergangenen vergangener vergangenes vorige vorigen "
    "voriger voriges vorigem",
    "before_last": "vorletzte vorletzten vorletzter vorletztes vorletztem",
    "this": "diese diesen dieser dieses diesem aktuelle aktuellen aktueller laufende laufenden laufender",
    "next": "nächste nächsten nächster nächstes kommende kommenden kommender kommendes übernächste übernächsten",
}
RELATIONS = {
    "before": "vor bevor ehe",
    "after": "nach nachdem",
    "until": "bis",
    "since": "seit ab seitdem",
    "around": "gegen ca circa zirka etwa ungefähr rund schätzungsweise",
    "during": "beim während bei als",
}
SHORTLY = "kurz unmittelbar direkt knapp gleich"
PARTS = {"early": "anfang beginn", "mid": "mitte", "late": "ende"}
PART_OF = {
    "wochenanfang": ("early", "week"),
    "wochenbeginn": ("early", "week"),
    "wochenmitte": ("mid", "week"),
    "monatsanfang": ("early", "month"),
    "monatsbeginn": ("early", "month"),
    "monatsmitte": ("mid", "month"),
    "monatsende": ("late", "month"),
    "jahresanfang": ("early", "year"),
    "jahresbeginn": ("early", "year"),
    "jahresende": ("late", "year"),
}
FEASTS = {
    "heiligabend": "christmas_eve",
    "heiligabends": "christmas_eve",
    "heilig abend": "christmas_eve",
    "heiliger abend": "christmas_eve",
    "weihnachten": "christmas",
    "1. weihnachtstag": "christmas_day",
    "1. weihnachtsfeiertag": "christmas_day",
    "erster weihnachtstag": "christmas_day",
    "ersten weihnachtstag": "christmas_day",
    "ersten weihnachtsfeiertag": "christmas_day",
    "erster weihnachtsfeiertag": "christmas_day",
    "2. weihnachtstag": "boxing_day",
    "2. weihnachtsfeiertag": "boxing_day",
    "zweiter weihnachtstag": "boxing_day",
    "zweiten weihnachtstag": "boxing_day",
    "zweiten weihnachtsfeiertag": "boxing_day",
    "zweiter weihnachtsfeiertag": "boxing_day",
    "stephanstag": "boxing_day",
    "silvester": "new_years_eve",
    "sylvester": "new_years_eve",
    "neujahr": "new_year",
    "neujahrstag": "new_year",
    "nikolaus": "nicholas",
    "nikolaustag": "nicholas",
    "dreikönig": "epiphany",
    "heilige drei könige": "epiphany",
    "valentinstag": "valentine",
    "rosenmontag": "rose_monday",
    "aschermittwoch": "ash_wednesday",
    "gründonnerstag": "maundy_thursday",
    "karfreitag": "good_friday",
    "karsamstag": "holy_saturday",
    "ostern": "easter",
    "ostersonntag": "easter_sunday",
    "ostermontag": "easter_monday",
    "tag der arbeit": "labour_day",
    "maifeiertag": "labour_day",
    "himmelfahrt": "ascension",
    "christi himmelfahrt": "ascension",
    "vatertag": "ascension",
    "pfingsten": "pentecost",
    "pfingstsonntag": "whit_sunday",
    "pfingstmontag": "whit_monday",
    "fronleichnam": "corpus_christi",
    "tag der deutschen einheit": "german_unity",
    "reformationstag": "reformation",
    "halloween": "reformation",
    "allerheiligen": "all_saints",
}
ONES = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn"
TENS = {20: "zwanzig", 30: "dreißig", 40: "vierzig", 50: "fünfzig"}
ARTICLES = "ein eine einen einem einer eines eins ne ner nem"
FEW = "paar einigen einige wenigen wenige mehreren mehrere etlichen etliche"
HALVES = {"anderthalb": 1.5, "eineinhalb": 1.5, "zweieinhalb": 2.5, "dreieinhalb": 3.5, "viereinhalb": 4.5}
VAGUE = {
    "recently": "neulich kürzlich letztens unlängst jüngst irgendwann früher damals einst",
    "hours": "vorhin",
    "minutes": "eben soeben gerade",
}
FILLERS = (
    "um am an im in auf der die das den dem des von vom zu zum zur es war also wohl noch schon mal genau "
    "jahr uhrzeit zeit ortszeit so sowas einschließlich "
    "inklusive"
)
EVENTS = (
    "update updates upgrade deploy deployment deployments release relaunch import export migration umzug umstellung "
    "umbau patch absturz crash ausfall löschung löschen löschvorgang wartung installation neustart reboot hack angriff "
    "serverumzug datenbankumzug pluginupdate unfall fehler malheur vorfall einspielen restore wiederherstellung "
    "ereignis umstieg wechsel störung stromausfall reset bereinigung aufräumen cronjob job"
)
