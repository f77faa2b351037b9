-- core.date: the days of the years that facts can fall into, from 1990 to 2049.
-- grain: one row per day
-- key: calendar_date
-- reads: none
-- rule: weeks are those of ISO 8601, which begin on a Monday and belong to the year of their Thursday; weekends are
--   Saturdays and Sundays, whatever days are given in exchange for holidays
-- title: Calendar / 日期维表
-- column: calendar_date: Day / 日期
-- column: month: Month, YYYYMM / 月份（YYYYMM）
-- column: year_number: Year / 年
-- column: quarter_number: Quarter, 1 to 4 / 季度
-- column: month_number: Month of the year, 1 to 12 / 月
-- column: day_number: Day of the month, 1 to 31 / 日
-- column: iso_year_number: Year of the ISO week / ISO 周所属年
-- column: iso_week_number: ISO week, 1 to 53 / ISO 周次
-- column: weekday_number: Day of the week, 1 Monday to 7 Sunday / 星期序号（1 为星期一）
-- column: month_title_en: Month in English / 月份英文名称
-- column: month_title_zh: Month in Chinese / 月份中文名称
-- column: weekday_title_en: Day of the week in English / 星期英文名称
-- column: weekday_title_zh: Day of the week in Chinese / 星期中文名称
-- column: is_weekend: Whether Saturday or Sunday / 是否周末

with numbered as (
    select
        cast(n.moment as date) as calendar_date,
        strftime(n.moment, '%Y%m') as month,
        cast(extract(year from n.moment) as integer) as year_number,
        cast(extract(quarter from n.moment) as integer) as quarter_number,
        cast(extract(month from n.moment) as integer) as month_number,
        cast(extract(day from n.moment) as integer) as day_number,
        cast(extract(isoyear from n.moment) as integer) as iso_year_number,
        cast(extract(week from n.moment) as integer) as iso_week_number,
        cast(extract(isodow from n.moment) as integer) as weekday_number
    from range(timestamp '1990-01-01', timestamp '2050-01-01', interval 1 day) as n (moment)
),

named as (
    select
        ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November',
            'December'] as months_en,
        ['一月', '二月', '三月', '四月', '五月', '六月', '七月', '八月', '九月', '十月', '十一月', '十二月'] as months_zh,
        ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] as weekdays_en,
        ['星期一', '星期二', '星期三', '星期四', '星期五', '星期六', '星期日'] as weekdays_zh
)

select
    numbered.*,
    list_extract(named.months_en, month_number) as month_title_en,
    list_extract(named.months_zh, month_number) as month_title_zh,
    list_extract(named.weekdays_en, weekday_number) as weekday_title_en,
    list_extract(named.weekdays_zh, weekday_number) as weekday_title_zh,
    weekday_number >= 6 as is_weekend
from numbered
cross join named
