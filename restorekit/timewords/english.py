"""What English words mean."""

MONTHS = {
    1: "january jan",
    2: "february feb",
    3: "march mar",
    4: "april apr",
    5: "may",
    6: "june jun",
    7: "july jul",
    8: "august aug",
    9: "september sep sept",
    10: "october oct",
    11: "november nov",
    12: "december dec",
}
WEEKDAYS = {
    0: "monday mon",
    1: "tuesday tue tues",
    2: "wednesday wed weds",
    3: "thursday thu thur thurs",
    4: "friday fri",
    5: "saturday sat",
    6: "sunday sun",
}
DAYS = {0: "today", -1: "yesterday", 1: "tomorrow"}
DAYPARTS = {
    "en_morning": "morning mornings",
    "en_noon": "lunchtime",
    "en_afternoon": "afternoon",
    "en_evening": "evening",
    "en_night": "night",
    "en_tonight": "tonight",
    "closing": "eod cob",
}
UNITS = {
    "second": "second seconds sec secs",
    "minute": "minute minutes min mins",
    "hour": "hour hours h hr hrs",
    "day": "day days d",
    "week": "week weeks wk wks w",
    "weekend": "weekend weekends",
    "month": "month months",
    "year": "year years yr yrs",
}
WHICH = {
    "last": "last past previous",
    "this": "this current",
    "next": "next coming upcoming",
}
RELATIONS = {
    "before": "before",
    "after": "after",
    "until": "until till til",
    "since": "since",
    "around": "around about approximately approx roughly circa",
    "during": "during when",
}
SHORTLY = "shortly just right immediately directly briefly"
PARTS = {"early": "early beginning start", "mid": "mid middle", "late": "late end"}
FEASTS = {
    "christmas eve": "christmas_eve",
    "christmas": "christmas",
    "xmas": "christmas",
    "christmas day": "christmas_day",
    "boxing day": "boxing_day",
    "new year's eve": "new_years_eve",
    "new years eve": "new_years_eve",
    "new year's day": "new_year",
    "new year's": "new_year",
    "new year": "new_year",
    "new years day": "new_year",
    "valentine's day": "valentine",
    "valentines day": "valentine",
    "good friday": "good_friday",
    "easter": "easter",
    "easter sunday": "easter_sunday",
    "easter monday": "easter_monday",
    "independence day": "independence",
    "4th of july": "independence",
    "halloween": "reformation",
    "thanksgiving": "thanksgiving",
    "black friday": "black_friday",
}
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty"}
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
ARTICLES = "a an"
FEW = "few several couple some"
VAGUE = {"recently": "recently lately sometime once formerly", "hours": "earlier", "minutes": "just"}
FILLERS = "on at the of in in's it was well like exactly precisely o'clock time local"
EVENTS = (
    "update updates upgrade deploy deployment release relaunch import export migration move switch patch crash outage "
    "deletion delete drop wipe maintenance install installation reboot restart hack attack incident accident disaster "
    "mistake error restore reset cleanup rollout push commit cronjob job"
)
