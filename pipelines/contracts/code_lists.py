"""Code lists as the folder `codes/` of the schemas holds them: one file a list, named as the list."""

from __future__ import annotations

from dataclasses import replace

from pipelines.contracts.model import Code, CodeList
from pipelines.contracts.yaml_lines import Item

_CODE = "[0-9A-Za-z_]{1,20}"
_TITLES = ["titleEn", "titleZh"]


def read_code_list(document: Item, name: str) -> CodeList:
    """The code list that a document holds, in its order; raises ConfigurationError where it is not sound."""
    fields = document.fields([*_TITLES, "codes"], ["attributes"])
    attributes = fields["attributes"].texts() if "attributes" in fields else ()
    codes: dict[str, Code] = {}
    for entry in fields["codes"].items():
        code = _read_code(entry, attributes)
        if code.value in codes:
            raise replace(entry, key="code").error("every code once", f"{code.value} twice")
        codes[code.value] = code
    return CodeList(name, fields["titleEn"].text(), fields["titleZh"].text(), tuple(codes.values()))


def _read_code(entry: Item, attributes: tuple[str, ...]) -> Code:
    fields = entry.fields(["code", *_TITLES], attributes)
    return Code(
        value=fields["code"].text(_CODE),
        title_en=fields["titleEn"].text(),
        title_zh=fields["titleZh"].text(),
        attributes=tuple((name, fields[name].text()) for name in attributes if name in fields),
    )
