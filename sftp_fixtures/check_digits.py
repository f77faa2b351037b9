"""Check characters of resident IDs and unified credit codes, for whole columns at once.

Sources of the rules: GB 11643 (resident ID), GB 32100 (unified social credit code), GB 11714 (the organisation code
that a credit code holds in its places 9 to 17).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

_RESIDENT_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_RESIDENT_CHECKS = "10X98765432"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = np.array([pow(3, place, 31) for place in range(17)])
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
# 11 less the remainder: 10 is written X, and 11 is written 0.
_ORGANISATION_CHECKS = "0X987654321"


def resident_checks(bodies: pl.Series) -> pl.Series:
    """The 18th character of resident IDs.

    `bodies` are the first 17 digits; as many come back. ValueError where one has another length or character.
    """
    return _take(_RESIDENT_CHECKS, _values(bodies, 17, "0123456789") @ _RESIDENT_WEIGHTS % 11)


def credit_checks(bodies: pl.Series) -> pl.Series:
    """The 18th character of unified credit codes.

    `bodies` are the first 17 characters; as many come back. ValueError where one has another length or character.
    """
    return _take(_CREDIT_ALPHABET, -(_values(bodies, 17, _CREDIT_ALPHABET) @ _CREDIT_WEIGHTS) % 31)


def organisation_checks(bodies: pl.Series) -> pl.Series:
    """The ninth character of organisation codes.

    `bodies` are the first 8 characters; as many come back. ValueError where one has another length or character.
    """
    return _take(_ORGANISATION_CHECKS, _values(bodies, 8, _ORGANISATION_ALPHABET) @ _ORGANISATION_WEIGHTS % 11)


def _values(bodies: pl.Series, width: int, alphabet: str) -> npt.NDArray[np.int64]:
    """One row a body, one column a character: the character's place in the alphabet."""
    if not (bodies.str.len_bytes() == width).all():
        raise ValueError(f"a check character is over {width} characters, found another length")
    places = np.full(256, -1, dtype=np.int64)
    places[list(alphabet.encode())] = np.arange(len(alphabet))
    values = places[np.frombuffer("".join(bodies.to_list()).encode(), dtype=np.uint8)].reshape(-1, width)
    if values.size and values.min() < 0:
        raise ValueError(f"expected characters of {alphabet}, found another")
    return values


def _take(characters: str, places: npt.NDArray[np.int64]) -> pl.Series:
    return pl.Series(list(characters)).gather(places)
