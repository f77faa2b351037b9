-- bi.dim_area: provinces.
-- grain: one row per province of GB/T 2260
-- key: area_code
-- reads: core.area
-- rule: facts join by source, which is the first two digits of the code and 0; bi.dim_subscriber by province_code,
--   which is the first two of its six digits and 0000
-- title: Areas / 地区维度
-- column: area_code: Province, six digits of GB/T 2260 / 省级行政区划代码
-- column: source: Source of the province's files / 来源省份
-- column: title_en: Province in English / 省份英文名称
-- column: title_zh: Province in Chinese / 省份中文名称

select
    code as area_code,
    left(code, 2) || '0' as source,
    title_en, title_zh
from core.area
