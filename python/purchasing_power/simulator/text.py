"""Writes reviews: a small grammar in four languages whose tone follows what the customer felt.

A review is an opening, one to three remarks about aspects of the order, and a close; each is chosen by tone,
from phrases that share words between tones ("not bad at all"), so single words do not tell the tone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TONES = ("bad", "mixed", "good")
# Uniform numbers that one review takes.
DRAWS = 20
_TYPO = 0.25


@dataclass(frozen=True)
class _Grammar:
    """One language: phrases by tone, with `{}` where an aspect or a degree stands."""

    openings: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    aspects: tuple[str, ...]
    degrees: tuple[str, ...]
    remarks: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    closes: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    join: str = " "
    stop: str = "."


_ENGLISH = _Grammar(
    openings=(
        (
            "What a letdown",
            "I wanted to like this",
            "Never again",
            "Arrived broken",
            "Sadly",
            "Not what I ordered",
        ),
        (
            "Mixed feelings",
            "It does the job",
            "So so",
            "Hard to say",
            "For the price all right",
            "Fine, I suppose",
        ),
        (
            "Love it",
            "What a find",
            "Could not be happier",
            "Exactly what I needed",
            "A lovely surprise",
            "Wow",
        ),
    ),
    aspects=(
        "the material",
        "the colour",
        "the delivery",
        "the packaging",
        "the size",
        "the finish",
        "the service",
        "the fit",
        "the instructions",
        "the handle",
        "the smell",
        "the weight",
    ),
    degrees=("really", "rather", "very", "quite", "truly", "honestly", "surprisingly", "so"),
    remarks=(
        (
            "{a} is {d} cheap and flimsy",
            "{a} was {d} disappointing",
            "{a} is nothing like the picture",
            "{a} fell apart within days",
            "no good can be said of {a}",
            "{a} made me {d} angry",
        ),
        (
            "{a} is {d} average",
            "{a} could be better, could be worse",
            "{a} is acceptable",
            "{a} took some getting used to",
            "I expected more of {a}, but it works",
        ),
        (
            "{a} is {d} beautiful",
            "{a} is {d} well made",
            "{a} was better than I hoped",
            "nothing bad to say about {a}",
            "{a} made my day",
            "everybody asks me about {a}",
        ),
    ),
    closes=(
        (
            "Sending it back",
            "Save your money",
            "I want a refund",
            "Would not buy here again",
            "Zero patience left",
        ),
        (
            "Might keep it",
            "Let us see how long it lasts",
            "You get what you pay for",
            "Three months and still fine",
        ),
        ("Will order again", "Highly recommended", "Worth every penny", "Not bad at all", "Thank you"),
    ),
)
_GERMAN = _Grammar(
    openings=(
        (
            "Leider enttäuscht",
            "Nie wieder",
            "Kaputt angekommen",
            "Schade ums Geld",
            "So nicht",
            "Falsche Ware",
        ),
        ("Geht so", "Durchwachsen", "Für den Preis in Ordnung", "Na ja", "Mal sehen", "Mittelmaß"),
        (
            "Bin begeistert",
            "Ein Volltreffer",
            "Genau richtig",
            "Super",
            "Tolle Überraschung",
            "Rundum zufrieden",
        ),
    ),
    aspects=(
        "das Material",
        "die Farbe",
        "die Lieferung",
        "die Verpackung",
        "die Größe",
        "die Verarbeitung",
        "der Kundendienst",
        "der Griff",
        "die Anleitung",
        "der Geruch",
        "das Gewicht",
    ),
    degrees=("wirklich", "ziemlich", "sehr", "recht", "ehrlich gesagt", "überraschend", "echt"),
    remarks=(
        (
            "{a} ist {d} billig und wackelig",
            "{a} war {d} enttäuschend",
            "{a} sieht ganz anders aus als im Bild",
            "{a} hielt keine Woche",
            "{a} hat mich {d} geärgert",
            "an {a} ist nichts gut",
        ),
        (
            "{a} ist {d} durchschnittlich",
            "{a} könnte besser sein",
            "{a} ist annehmbar",
            "an {a} muss man sich gewöhnen",
            "{a} erfüllt den Zweck",
        ),
        (
            "{a} ist {d} schön",
            "{a} ist {d} gut gemacht",
            "{a} war besser als erhofft",
            "an {a} ist nichts auszusetzen",
            "{a} hat uns {d} gefreut",
            "alle fragen nach {a}",
        ),
    ),
    closes=(
        ("Geht zurück", "Finger weg", "Ich will mein Geld zurück", "Hier kaufe ich nicht mehr", "Ärgerlich"),
        (
            "Vielleicht behalte ich es",
            "Man bekommt, was man zahlt",
            "Abwarten",
            "Kein Grund zur Freude oder Klage",
        ),
        ("Gerne wieder", "Klare Empfehlung", "Jeden Cent wert", "Gar nicht schlecht", "Danke"),
    ),
)
_SPANISH = _Grammar(
    openings=(
        ("Qué decepción", "Nunca más", "Llegó roto", "Una pena", "No es lo que pedí", "Muy mal"),
        (
            "Ni bien ni mal",
            "Regular",
            "Para lo que cuesta, vale",
            "Cumple",
            "Ya veremos",
            "Opiniones mezcladas",
        ),
        ("Me encanta", "Qué hallazgo", "Justo lo que buscaba", "Estupendo", "Una grata sorpresa", "Feliz"),
    ),
    aspects=(
        "el material",
        "el color",
        "la entrega",
        "el embalaje",
        "la talla",
        "el acabado",
        "la atención",
        "el asa",
        "el manual",
        "el olor",
        "el peso",
    ),
    degrees=("realmente", "bastante", "muy", "la verdad", "sorprendentemente", "francamente"),
    remarks=(
        (
            "{a} parece {d} barato y frágil",
            "{a} me decepcionó",
            "{a} no se parece a la foto",
            "{a} no aguantó ni una semana",
            "nada bueno que decir de {a}",
            "{a} me hizo enfadar",
        ),
        (
            "{a} es {d} normal",
            "{a} podría ser mejor",
            "{a} es aceptable",
            "hay que acostumbrarse a {a}",
            "esperaba más de {a}, pero sirve",
        ),
        (
            "{a} es {d} bonito",
            "{a} está {d} bien hecho",
            "{a} superó lo que esperaba",
            "nada malo que decir de {a}",
            "{a} nos alegró el día",
            "todos preguntan por {a}",
        ),
    ),
    closes=(
        ("Lo devuelvo", "No lo compren", "Quiero mi dinero", "No vuelvo a comprar aquí", "Qué rabia"),
        ("Quizá me lo quede", "Se paga lo que se recibe", "A ver cuánto dura", "Sin más"),
        ("Repetiré", "Muy recomendable", "Vale cada céntimo", "Nada mal", "Gracias"),
    ),
)
_CHINESE = _Grammar(
    openings=(
        ("太失望了", "再也不买了", "收到就是坏的", "不值这个价", "发错货了", "唉"),
        ("一般般", "凑合能用", "说不上好坏", "对得起价格吧", "还行", "再看看"),
        ("太喜欢了", "超出预期", "正是我要的", "非常满意", "惊喜", "好极了"),
    ),
    aspects=("材质", "颜色", "物流", "包装", "尺寸", "做工", "客服", "手感", "说明书", "气味", "分量"),
    degrees=("真的", "相当", "非常", "挺", "实在", "特别"),
    remarks=(
        (
            "{a}{d}差",
            "{a}{d}让人生气",
            "{a}和图片完全不一样",
            "{a}用了几天就坏",
            "{a}没有一点好的地方",
            "{a}很廉价",
        ),
        ("{a}{d}普通", "{a}马马虎虎", "{a}可以接受", "{a}需要适应一下", "{a}本来可以更好"),
        ("{a}{d}好", "{a}{d}漂亮", "{a}比想的还好", "{a}没有什么不好", "{a}家里人都夸", "{a}很用心"),
    ),
    closes=(
        ("要退货", "大家别买", "请退钱", "不会再来", "浪费时间"),
        ("先留着吧", "一分钱一分货", "看能用多久", "不好不坏"),
        ("还会再来", "强烈推荐", "物超所值", "真不错", "谢谢"),
    ),
    join="",
    stop="。",
)
_GRAMMARS = {"en": _ENGLISH, "de": _GERMAN, "es": _SPANISH, "zh": _CHINESE}


def write_review(language: str, feeling: float, draws: Floats) -> str:
    """Writes one review.

    Args:
        language: en, de, es or zh.
        feeling: from -1 (nothing was right) to 1 (delighted).
        draws: [DRAWS] uniform random numbers in [0, 1).

    Returns:
        The text.
    """
    grammar = _GRAMMARS[language]
    numbers = iter(draws.tolist())

    def tone() -> int:
        # Real reviews praise one thing and blame another; the feeling decides how often.
        leaning = feeling + 1.1 * (next(numbers) - 0.5)
        return 0 if leaning < -0.3 else 1 if leaning < 0.25 else 2

    def choose(options: tuple[str, ...]) -> str:
        return options[int(next(numbers) * len(options))]

    sentences = [choose(grammar.openings[tone()])]
    for _ in range(1 + int(3 * next(numbers) ** 1.5)):
        remark = choose(grammar.remarks[tone()])
        sentences.append(remark.format(a=choose(grammar.aspects), d=choose(grammar.degrees)))
    sentences.append(choose(grammar.closes[tone()]))
    text = grammar.join.join(_capital(sentence) + grammar.stop for sentence in sentences)
    return _mistype(text, next(numbers)) if next(numbers) < _TYPO else text


def _mistype(text: str, where: float) -> str:
    """Swaps two neighbouring characters."""
    at = int(where * (len(text) - 2))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
