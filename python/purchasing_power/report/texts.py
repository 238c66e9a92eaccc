"""The sentences of the report, of which `texts.yml` holds each in each language."""

from __future__ import annotations

from importlib import resources

import yaml

from purchasing_power.errors import PurchasingPowerError

LANGUAGES = ("en", "zh")


class Texts:
    """The sentences of one language."""

    def __init__(self, language: str) -> None:
        """Chooses the language.

        Raises:
            PurchasingPowerError: there is none of that name.
        """
        if language not in LANGUAGES:
            raise PurchasingPowerError(
                f"There is no report in {language!r}: choose --language {' or '.join(LANGUAGES)}."
            )
        self.language = language
        file = resources.files("purchasing_power.report") / "texts.yml"
        self._texts: dict[str, str] = {
            key: said[language] for key, said in yaml.safe_load(file.read_text(encoding="utf-8")).items()
        }

    def __call__(self, key: str, **values: object) -> str:
        """Gives a sentence with its values filled in."""
        return self._texts[key].format(**values)

    def name(self, kind: str, name: str) -> str:
        """Gives the word for a name of the warehouse, or the name itself where it is somebody's own."""
        return self._texts.get(f"{kind}{name}", name)
