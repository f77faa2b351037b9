"""The mask of free texts, as SQL: every mobile number in one is hidden, however close to the next."""

from __future__ import annotations

import duckdb
import pytest

from warehouse.publish import _MASKS

ONE, OTHER = "13800001234", "13912345678"


def shown(text: str) -> str:
    ((found,),) = duckdb.execute(f"select {_MASKS['number'].format('$text')}", {"text": text}).fetchall()
    return str(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ONE}_{OTHER}", "138****1234_139****5678"),
        (f"{ONE}x{OTHER}", "138****1234x139****5678"),
        (f"a{ONE}b{OTHER}", "a138****1234b139****5678"),
        (f"x{ONE}y{OTHER}z{ONE}z{OTHER}z", "x138****1234y139****5678z138****1234z139****5678z"),
        (f"{ONE} {OTHER}", "138****1234 139****5678"),
        ("BBD59889695", "BBD****9695"),
        ("BBD5988969", "BBD****8969"),
        ("旧TVS59889695新IOT8986011122334", "旧TVS****9695新IOT****2334"),
        ("U00001000001", "U00001000001"),
        ("MOB0199", "MOB0199"),
        ("PAYM_110_I_2026112201_0001_00", "PAYM_110_I_2026112201_0001_00"),
    ],
)
@pytest.mark.fault(23)
def test_numbers_are_hidden_however_close(text: str, expected: str) -> None:
    assert shown(text) == expected
