-- bi.dim_date: days.
-- grain: one row per day
-- key: calendar_date
-- reads: core.date
-- rule: months of bills and subscriber months join by their first day
-- title: Dates / 日期维度
-- columns of core.date: calendar_date, month, year_number, quarter_number, month_number, day_number, iso_year_number,
--   iso_week_number, weekday_number, month_title_en, month_title_zh, weekday_title_en, weekday_title_zh, is_weekend

select
    calendar_date, month, year_number, quarter_number, month_number, day_number, iso_year_number, iso_week_number,
    weekday_number, month_title_en, month_title_zh, weekday_title_en, weekday_title_zh, is_weekend
from core.date
