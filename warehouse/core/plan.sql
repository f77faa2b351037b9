-- core.plan: the plans that subscribers have or had, or that a change gave them.
-- grain: one row per plan code that a record of a subscriber or a current plan change has
-- key: code
-- reads: core.subscriber_record, core.subscriber_change, core.change_type, plan_title
-- rule: changes of plan are those whose type sets plan_code; the titles are those of the installation's code list
--   plan, null where it has none
-- title: Plans / 资费套餐
-- column: code: Plan / 资费套餐编码
-- column: title_en: Title in English, where known / 英文名称
-- column: title_zh: Title in Chinese, where known / 中文名称

with met as (
    select plan_code as code
    from core.subscriber_record
    union
    select change.new_value as code
    from core.subscriber_change as change
    inner join core.change_type as kind on kind.code = change.change_type
    where change.is_current and kind.patch_column = 'plan_code'
)

select met.code, plan_title.title_en, plan_title.title_zh
from met
left join plan_title on plan_title.code = met.code
where met.code is not null
