-- kpi_trend: the KPIs of all sources month by month.
-- grain: one row per month, tier and KPI
-- reads: mart.kpi
-- rule: of tier ALL; of the others only how many they are

select month, tier, kpi, value
from mart.kpi
where source = 'ALL' and feed is null and (tier = 'ALL' or kpi = 'customer_base')
order by month
