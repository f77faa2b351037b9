-- bi.dim_product: products.
-- grain: one row per product
-- key: product
-- reads: core.product
-- rule: bi.dim_subscriber, bi.subscriber_period and bi.fact_subscriber_month join by product
-- title: Products / 产品维度
-- column: product: Product / 产品类型
-- column: title_en: Title in English / 英文名称
-- column: title_zh: Title in Chinese / 中文名称

select code as product, title_en, title_zh
from core.product
