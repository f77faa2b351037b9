"""The words of the report, each in English and Chinese, and how numbers are written."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh")  # in the order of the pairs below
Pair = tuple[str, str]

PHRASES: Mapping[str, Pair] = {
    "title": ("Report of publication {publication_id}", "发布报告 {publication_id}"),
    "other_language": ("中文", "English"),
    "contents": ("Contents", "目录"),
    "as_of": ("As of", "统计日"),
    "made": ("Made", "生成时间"),
    "batches": ("Batches", "批次数"),
    "compared": ("Compared with", "对比"),
    "compared_none": ("no publication before", "无上次发布"),
    "numbers_only": (
        "Counts only, no data of persons. Amounts in yuan, times Asia/Shanghai.",
        "仅含统计数字，不含个人信息。金额单位为元，时间为北京时间。",
    ),
    # Sections
    "sources": ("Sources", "省份"),
    "tiers": ("Tiers", "客户层次"),
    "movements": ("Movements since the last publication", "较上次发布的层次变动"),
    "warnings": ("Churn warnings", "离网预警"),
    "loyalty": ("Loyalty classes", "客户忠诚度"),
    "value": ("Customer value", "客户价值"),
    "targets": ("KPIs against their targets", "指标目标达成情况"),
    "kpis": ("KPIs", "关键绩效指标"),
    "calls": ("Outbound calls", "主动外呼"),
    "feeds": ("Feeds", "数据接口"),
    "lists": ("Lists of this publication", "本次发布名单"),
    # Tables
    "source_table": ("Sources and their last closed months", "省份与最近已出账月"),
    "tier_table": ("Subscribers by tier", "各层次用户数"),
    "tier_share": ("Share of tiers", "各层次占比"),
    "movement_matrix": ("From (row) to (column), all sources", "由（行）至（列），全部省份"),
    "movement_source": ("By source", "分省份"),
    "warning_level": ("Subscribers by level of risk", "各风险等级用户数"),
    "warning_rule": ("Subscribers by rule that fires", "各触发规则用户数"),
    "loyalty_table": ("Customers by loyalty class", "各忠诚度类别客户数"),
    "segment_table": ("Customers by value segment", "各价值分群客户数"),
    "pareto_table": ("Customers by Pareto class", "二八分类客户数"),
    "target_table": ("Last closed month of each source", "各省份最近已出账月"),
    "kpi_month": ("By month, all sources", "按月，全部省份"),
    "kpi_tier": ("By tier, last closed month, all sources", "分层次，最近已出账月，全部省份"),
    "kpi_source": ("By source, last closed month of each", "分省份，各自最近已出账月"),
    "call_campaign": ("By campaign: called, and held back by what", "分活动：外呼数与抑制原因"),
    "call_source": ("By source: called, and held back by what", "分省份：外呼数与抑制原因"),
    "feed_table": ("Punctuality and quality, last closed month", "及时性与质量，最近已出账月"),
    "list_table": ("Lists and their rows", "名单与行数"),
    "conflict_table": ("Not in TIER, which gives their number to another", "未列入 TIER：号码已列给其他用户"),
    # Notes
    "movement_none": (
        "There is no former publication to compare with, or it cannot be read.",
        "没有可对比的上次发布，或其无法读取。",
    ),
    "movement_note": (
        "Compared with {publication_id}, as of {as_of}. ▲ rises, ▼ falls.",
        "与 {publication_id}（统计日 {as_of}）对比。▲ 上升，▼ 下降。",
    ),
    "rule_note": (
        "A subscriber counts once for every rule that fires for it, and once in its level.",
        "同一用户按每条触发规则各计一次，按风险等级计一次。",
    ),
    "target_note": ("{met} of {total} targets are met.", "{total} 项目标中达成 {met} 项。"),
    "target_none": ("No KPI with a target has a value in the last closed month.", "最近已出账月没有设定目标的指标值。"),
    "tier_note": (
        "Subscribers of products that have tiers, at the end of the as-of date; the lines count those of all products "
        "at the end of each closed month.",
        "统计日末参与分层产品的用户；曲线为各已出账月末全部产品的用户数。",
    ),
    "kpi_note": ("Lines: all sources and tiers.", "曲线：全部省份与层次。"),
    "behind_note": (
        "In {month} all sources are those that have closed it: without {sources}.",
        "{month} 的全部省份仅含已出账省份，不含：{sources}。",
    ),
    "feed_none": ("No KPIs of feeds in the last closed month.", "最近已出账月无接口指标。"),
    "described": (
        "{first_month} {first}, {last_month} {last}; lowest {least}, highest {most}",
        "{first_month} {first}，{last_month} {last}；最低 {least}，最高 {most}",
    ),
    # Heads
    "source": ("Source", "省份"),
    "bill_month": ("Last closed month", "最近已出账月"),
    "subscribers": ("Open subscribers", "在网用户"),
    "customers": ("Customers", "客户"),
    "tier": ("Tier", "层次"),
    "share": ("Share", "占比"),
    "total": ("Total", "合计"),
    "all": ("All", "全部"),
    "new": ("New", "新增"),
    "gone": ("Gone", "退出"),
    "risen": ("▲ Risen", "▲ 上升"),
    "fallen": ("▼ Fallen", "▼ 下降"),
    "unchanged": ("Unchanged", "不变"),
    "from_to": ("From ╲ to", "由 ╲ 至"),
    "rule": ("Rule", "规则"),
    "kpi": ("KPI", "指标"),
    "month": ("Month", "月份"),
    "value_head": ("Value", "指标值"),
    "target": ("Target", "目标"),
    "result": ("Result", "结果"),
    "met": ("✓ met", "✓ 达标"),
    "missed": ("✗ missed", "✗ 未达标"),
    "campaign": ("Campaign", "活动"),
    "suppressed": ("Held back", "抑制合计"),
    "feed": ("Feed", "接口"),
    "of_feed_on_time_rate": ("of cycles due", "应到周期"),
    "of_feed_first_pass_rate": ("of files", "文件数"),
    "of_reject_rate": ("of records", "记录数"),
    "list": ("List", "名单"),
    "list_mode": ("Mode", "方式"),
    "mode_F": ("full", "全量"),
    "mode_I": ("changes", "增量"),
    "file": ("File", "文件"),
    "rows": ("Rows", "行数"),
    # Cards
    "card_tiers": ("subscribers with a tier", "分层用户"),
    "card_moves": ("tier changes: ▲ {risen} risen, ▼ {fallen} fallen", "个层次变动：▲ 上升 {risen}，▼ 下降 {fallen}"),
    "card_warnings": ("warnings, {high} of level HIGH", "条预警，其中高风险 {high} 条"),
    "card_targets": ("targets met", "项目标达成"),
    "card_calls": ("calls today, {suppressed} held back", "个今日外呼，抑制 {suppressed} 个"),
    "card_lists": ("lists with {rows} rows", "份名单，共 {rows} 行"),
}

CODES: Mapping[str, Mapping[str, Pair]] = {
    "level": {"HIGH": ("High", "高"), "MEDIUM": ("Medium", "中"), "LOW": ("Low", "低")},
    "rule": {
        "C1": ("Suspended or barred for days", "停机持续多日"),
        "C2": ("Barred since last month", "上月起持续欠费停机"),
        "C3": ("Large top-up nearly used up", "大额充值将用尽或到期"),
        "C4": ("Bill fell sharply", "账单大幅下降"),
        "C5": ("Billed, active and silent", "有出账但无使用"),
    },
    "class": {
        "PROSPECT": ("Prospect", "观望者"),
        "LOST": ("Lost", "流失客户"),
        "AT_RISK": ("At risk", "流失边缘"),
        "NEW": ("New", "新客户"),
        "INACTIVE": ("Inactive", "不活跃"),
        "REGULAR": ("Regular", "活跃常客"),
        "CORE": ("Core", "核心客户"),
        "ADVOCATE": ("Advocate", "拥护者"),
    },
    "segment": {
        "KEY": ("Key", "关键"),
        "POTENTIAL": ("Potential", "潜力"),
        "NORMAL": ("Normal", "一般"),
        "TEMPORARY": ("Temporary", "临时"),
    },
    "pareto": {"A": ("A", "A 类"), "B": ("B", "B 类"), "C": ("C", "C 类")},
    "campaign": {
        "ARREARS": ("Arrears", "欠费催缴"),
        "RETAIN": ("Retention", "离网挽留"),
        "WINBACK": ("Win back", "流失赢回"),
        "CARE": ("Care", "生日关怀"),
        "SURVEY": ("Survey", "满意度回访"),
    },
    "cause": {
        "CALLED": ("Called", "外呼"),
        "NUMBER_REASSIGNED": ("Number of another", "号码已归他人"),
        "BLACKLISTED": ("Blacklisted", "黑名单"),
        "NO_CONSENT": ("No consent", "未同意营销"),
        "CALLED_LATELY": ("Called lately", "近期已外呼"),
        "OTHER_CAMPAIGN": ("Other campaign", "已入其他活动"),
    },
    "kpi": {
        "customer_base": ("Customer base", "客户基础"),
        "gross_adds": ("New subscribers", "新客户数"),
        "new_retention_rate": ("Retention of new ones", "新客户留存率"),
        "retention_rate": ("Retention", "客户留存率"),
        "churn_rate": ("Churn", "流失率"),
        "customer_share": ("Customer share", "客户份额"),
        "usage_frequency": ("Usage days a subscriber", "消费频率"),
        "arpu": ("ARPU, yuan", "平均消费金额（元）"),
        "arrears_rate": ("Arrears", "欠费率"),
        "top20_revenue_share": ("Revenue of the top 20%", "前 20% 客户收入占比"),
        "answer_rate": ("Answered", "接通率"),
        "answer_in_target_rate": ("Answered in time", "接通率达标"),
        "abandon_rate": ("Abandoned", "放弃率"),
        "complaints_per_10k": ("Complaints per 10,000", "万户投诉量"),
        "complaint_satisfaction": ("Satisfied after a complaint", "投诉客户满意度"),
        "winback_rate": ("Kept by retention", "挽留客户成功率"),
        "work_order_on_time_rate": ("Work orders on time", "工单及时率"),
        "feed_on_time_rate": ("On time", "及时率"),
        "feed_first_pass_rate": ("Right the first time", "一次通过率"),
        "reject_rate": ("Rejected rows", "记录拒绝率"),
    },
}

_COUNTS = ("customer_base", "gross_adds")
_PLAIN = ("usage_frequency", "complaints_per_10k")
ABSENT = "–"


class Words:
    """One language: phrases by name, titles of codes; `titles` adds those of the installation's own code lists."""

    def __init__(self, language: str, titles: Mapping[str, Mapping[str, Pair]]) -> None:
        self._place = LANGUAGES.index(language)
        self._codes = {**CODES, **titles}

    def say(self, phrase: str, **values: object) -> str:
        """A phrase with its values."""
        return PHRASES[phrase][self._place].format(**values)

    def title(self, kind: str, code: str) -> str:
        """What a code is called; one that is not known stands for itself."""
        return self._codes[kind].get(code, (code, code))[self._place]

    def codes(self, kind: str) -> tuple[str, ...]:
        """All codes of a kind, in their order."""
        return tuple(self._codes[kind])


def count(value: int) -> str:
    """With commas: a long run of digits would look like a number of somebody."""
    return f"{value:,}"


def share(value: float) -> str:
    return f"{value:.1%}"


def kpi(name: str, value: float | None) -> str:
    """A KPI's value in its unit: counts, yuan (values are in fen), plain numbers, and the others as per cent."""
    if value is None:
        return ABSENT
    if name in _COUNTS:
        return count(round(value))
    if name == "arpu":
        return f"{value / 100:,.2f}"
    if name in _PLAIN:
        return f"{value:,.2f}"
    return f"{value:.2%}" if name == "reject_rate" else share(value)


def month(text: str | None) -> str:
    """`202610` as `2026-10`."""
    return f"{text[:4]}-{text[4:]}" if text else ABSENT
