"""Believable names, addresses, numbers and identity documents; none of them is anybody's on purpose."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures.check_digits import credit_checks, organisation_checks, resident_checks
from sftp_fixtures.draws import Ints, Times, pick

_SURNAMES = [*"王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡", "欧阳", "司马"]
_SURNAME_WEIGHTS = [*np.linspace(8, 1, len(_SURNAMES) - 2), 0.3, 0.1]
_GIVEN_FIRST = list("伟芳娜秀敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文志建国晓春海玉红雪子思雨浩梓欣佳")
_GIVEN_SECOND = ["", "", *"英华辉丽梅兰鹏飞宇轩涵怡琳峰龙凤玲云生波宁东林霖萍燕莉红"]
# Four bytes in GB18030 and in UTF-8, or a GBK second byte that is the delimiter's (0x7C): where readers go wrong.
_RARE = list("𠮷㛃𬭳䶮弢珅瑋坾")
_RARE_SHARE = 0.004

_PROVINCES = {
    "11": "北京市", "12": "天津市", "13": "河北省", "14": "山西省", "15": "内蒙古自治区",
    "21": "辽宁省", "22": "吉林省", "23": "黑龙江省", "31": "上海市", "32": "江苏省",
    "33": "浙江省", "34": "安徽省", "35": "福建省", "36": "江西省", "37": "山东省",
    "41": "河南省", "42": "湖北省", "43": "湖南省", "44": "广东省", "45": "广西壮族自治区",
    "46": "海南省", "50": "重庆市", "51": "四川省", "52": "贵州省", "53": "云南省",
    "54": "西藏自治区", "61": "陕西省", "62": "甘肃省", "63": "青海省", "64": "宁夏回族自治区",
    "65": "新疆维吾尔自治区",
}  # fmt: skip
_DISTRICTS = ["东城区", "西城区", "朝阳区", "新华区", "海曙区", "鼓楼区", "和平区", "高新区"]
_STREETS = [
    "人民路",
    "解放路",
    "中山路",
    "建设大街",
    "文化路",
    "新华街",
    "光明巷",
    "瀨溪路",
    "学府路",
    "长江路",
    "胜利街",
]
_TRADE_NAMES = ["恒泰", "鑫源", "宏达", "金桥", "华盛", "瑞丰", "天成", "众信", "佳和", "东方", "百川", "远航"]
_TRADES = ["商贸", "科技", "建筑工程", "餐饮管理", "物流", "信息技术", "医药", "文化传媒"]
_OFFICES = ["财政局", "教育局", "民政局", "水务局", "税务局", "统计局", "卫生健康委员会"]
_MOBILE_PREFIXES = [
    "134", "135", "136", "137", "138", "139", "150", "151", "152", "157", "158", "159", "178", "182", "183", "187",
]  # fmt: skip


def person_names(rng: np.random.Generator, count: int) -> pl.Series:
    """Family and given names of persons; a few with a character that breaks careless readers."""
    given = pick(rng, _GIVEN_FIRST, count)
    rare = pl.Series(rng.random(count) < _RARE_SHARE)
    first = pl.select(pl.when(rare).then(pick(rng, _RARE, count)).otherwise(given)).to_series()
    return pick(rng, _SURNAMES, count, _SURNAME_WEIGHTS) + first + pick(rng, _GIVEN_SECOND, count)


def company_names(rng: np.random.Generator, source: str, count: int) -> pl.Series:
    """Names of enterprises."""
    place = _PROVINCES.get(source[:2], "本省")
    return place + pick(rng, _TRADE_NAMES, count) + pick(rng, _TRADES, count) + "有限公司"


def office_names(rng: np.random.Generator, source: str, count: int) -> pl.Series:
    """Names of public offices."""
    return _PROVINCES.get(source[:2], "本省") + pick(rng, _DISTRICTS, count) + pick(rng, _OFFICES, count)


def addresses(rng: np.random.Generator, source: str, count: int) -> pl.Series:
    """Addresses down to the door, all in the source's province."""
    doors = [
        (rng.integers(1, 300, count), "号"),
        (rng.integers(1, 30, count), "号楼"),
        (rng.integers(101, 2600, count), "室"),
    ]
    parts = [pl.Series(numbers).cast(pl.String) + unit for numbers, unit in doors]
    street = _PROVINCES.get(source[:2], "本省") + pick(rng, _DISTRICTS, count) + pick(rng, _STREETS, count)
    return street + parts[0] + parts[1] + parts[2]


def mobile_numbers(rng: np.random.Generator, serials: Ints) -> pl.Series:
    """A mobile number for each serial; different serials below 10⁸ get different numbers."""
    return pick(rng, _MOBILE_PREFIXES, len(serials)) + _scattered(serials)


def service_numbers(rng: np.random.Generator, products: pl.Series, serials: Ints) -> pl.Series:
    """A service number as the product has it: mobile and fixed ones are phone numbers, the others access names."""
    digits, mobile = _scattered(serials), mobile_numbers(rng, serials)
    fixed = pick(rng, ["010", "021", "0531", "0755"], len(serials)) + digits
    return pl.select(
        pl.when(products == "MOB").then(mobile).when(products == "FIX").then(fixed).otherwise(products + digits)
    ).to_series()


def resident_ids(rng: np.random.Generator, source: str, birth_dates: Times, male: Ints) -> pl.Series:
    """Resident IDs with valid check characters; the last place before it is odd for men (`male` is 0 or 1)."""
    count = len(birth_dates)
    home = np.where(rng.random(count) < 0.7, int(source[:2]), rng.choice([13, 37, 41, 43, 51], count))
    area = home * 10_000 + 100 + rng.integers(1, 12, count)
    order = rng.integers(0, 500, count) * 2
    order = np.where(male == 1, order + 1, order)
    birth = pl.Series(birth_dates).dt.strftime("%Y%m%d")
    bodies = pl.Series(area).cast(pl.String) + birth + pl.Series(order).cast(pl.String).str.zfill(3)
    return bodies + resident_checks(bodies)


def credit_codes(rng: np.random.Generator, source: str, serials: Ints) -> pl.Series:
    """Unified credit codes of enterprises, whose organisation code is valid too."""
    area = pl.Series(int(source[:2]) * 10_000 + 100 + rng.integers(1, 12, len(serials))).cast(pl.String)
    organisation = _scattered(serials)
    bodies = "91" + area + organisation + organisation_checks(organisation)
    return bodies + credit_checks(bodies)


def _scattered(serials: Ints) -> pl.Series:
    """Eight digits that look random: the factor has no divisor in common with 10⁸, so no two serials meet."""
    return pl.Series(serials * 73_687_871 % 100_000_000 + 0).cast(pl.String).str.zfill(8)
