-- What is said of the tables of policy: a build says it when it has made them.

comment on table policy.source is 'Policies. Grain: one row per source, and ALL for the default. Key: source. / 策略适用范围';
comment on column policy.source.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.source.version is 'Version of the policy / 策略版本';

comment on table policy.tier is 'Tiers. Grain: one row per source and tier. Key: source, tier. / 客户层次定义';
comment on column policy.tier.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.tier.tier is 'Tier / 客户层次';
comment on column policy.tier.rank is 'Rank of the tier, 1 the best / 层次排序（1 为最高）';

comment on table policy.tier_rule is 'Ways to earn a tier. Grain: one row per source, tier and way. Key: source, tier, way. / 定级规则';
comment on column policy.tier_rule.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.tier_rule.tier is 'Tier / 客户层次';
comment on column policy.tier_rule.rank is 'Rank of the tier, 1 the best / 层次排序（1 为最高）';
comment on column policy.tier_rule.way is 'SPEND by amount alone, TENURE by amount with tenure / 定级途径';
comment on column policy.tier_rule.from_fen is 'ARPU3 from which on, fen / 近三月平均出账下限（分）';
comment on column policy.tier_rule.from_months is 'Tenure from which on, months / 在网时长下限（月）';

comment on table policy.tiering is 'Tiers of group customers. Grain: one row per source. Key: source. / 集团客户分层';
comment on column policy.tiering.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.tiering.group_tier is 'Tier that subscribers of group customers have at least / 集团客户保底层次';

comment on table policy.service_level is 'Service levels. Grain: one row per source and tier. Key: source, tier. / 服务等级';
comment on column policy.service_level.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.service_level.tier is 'Tier / 客户层次';
comment on column policy.service_level.ivr_entry is 'Entry of the IVR / IVR 入口';
comment on column policy.service_level.priority is 'Priority in the queue, 1 the first / 排队优先级';
comment on column policy.service_level.skill_group is 'Skill group that takes the call / 技能组';
comment on column policy.service_level.overflow_group is 'Skill group that takes it when the first is busy / 溢出技能组';
comment on column policy.service_level.overflow_after_s is 'Seconds after which it does / 溢出等待时长（秒）';
comment on column policy.service_level.answer_rate is 'Target: share of calls answered in time, 0 to 1 / 接通率目标';
comment on column policy.service_level.answer_within_s is 'In time: within so many seconds / 接通时限（秒）';
comment on column policy.service_level.work_order_due_s is 'Seconds in which a work order is due / 工单处理时限（秒）';

comment on table policy.action is 'Service actions. Grain: one row per source, loyalty class and tier. Key: source, class, tier. / 忠诚计划';
comment on column policy.action.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.action.class is 'Loyalty class / 忠诚度类别';
comment on column policy.action.tier is 'Tier / 客户层次';
comment on column policy.action.service is 'Service class, A or B / 服务类别（A 类、B 类）';
comment on column policy.action.action is 'What to do / 服务动作';
comment on column policy.action.advice is 'What the agent reads / 话术建议';

comment on table policy.campaign is 'Campaigns. Grain: one row per source and campaign. Key: source, campaign. / 外呼活动';
comment on column policy.campaign.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.campaign.campaign is 'Campaign / 活动代码';
comment on column policy.campaign.priority is 'Priority, 1 the first / 优先级';
comment on column policy.campaign.script_code is 'Script / 话术脚本代码';
comment on column policy.campaign.consent is 'Whether it needs consent to marketing / 是否须营销许可';
comment on column policy.campaign.days is 'Days that it looks back / 追溯天数';

comment on table policy.call is 'Calls. Grain: one row per source. Key: source. / 外呼规则';
comment on column policy.call.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.call.not_before is 'Time of day before which nobody is called / 最早外呼时间';
comment on column policy.call.not_after is 'Time of day after which nobody is called / 最晚外呼时间';
comment on column policy.call.quiet_days is 'Days within which nobody is called again / 免打扰天数';

comment on table policy.kpi is 'KPIs. Grain: one row per source. Key: source. / 指标参数';
comment on column policy.kpi.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.kpi.new_retention_months is 'Months after which new subscribers are counted again / 新客户留存观察月数';
comment on column policy.kpi.share_products is 'Products that a customer can have / 产品总数';
comment on column policy.kpi.satisfied_rating is 'Rating from which on a customer is satisfied / 满意评分下限';
comment on column policy.kpi.complaints_per is 'Subscribers that complaints are counted by / 投诉量基数（户）';
comment on column policy.kpi.top_share_rate is 'Share of customers that count as the top, 0 to 1 / 头部客户占比';

comment on table policy.kpi_target is 'Targets of KPIs. Grain: one row per source, KPI and tier. Key: source, kpi, tier. / 指标目标值';
comment on column policy.kpi_target.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.kpi_target.kpi is 'KPI / 指标代码';
comment on column policy.kpi_target.tier is 'Tier / 客户层次';
comment on column policy.kpi_target.target is 'Target, 0 to 1 / 目标值';

comment on table policy.loyalty is 'Loyalty. Grain: one row per source. Key: source. / 忠诚度参数';
comment on column policy.loyalty.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.loyalty.new_months is 'Months for which a customer is new / 新客户月数';
comment on column policy.loyalty.inactive_days is 'Days without usage and payment that make a customer inactive / 不活跃天数';
comment on column policy.loyalty.core_months is 'Tenure from which on a customer is core, months / 核心客户在网时长（月）';
comment on column policy.loyalty.advocate_months is 'Months that an advocate''s ratings are looked at / 拥护者评分观察月数';
comment on column policy.loyalty.advocate_ratings is 'Ratings that an advocate has at least / 拥护者最少评分次数';
comment on column policy.loyalty.advocate_mean_rating is 'Mean rating that an advocate has at least / 拥护者平均评分下限';

comment on table policy.value is 'Value. Grain: one row per source. Key: source. / 客户价值参数';
comment on column policy.value.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.value.score_sum is 'What the best of all parts add up to, points / 计分卡满分';
comment on column policy.value.payment_months is 'Months whose bills count for payment / 缴费记录观察月数';
comment on column policy.value.payment_points is 'Points for payment at most / 缴费记录满分';
comment on column policy.value.growth_months is 'Months that growth is measured over / 增长观察月数';
comment on column policy.value.complaint_months is 'Months whose complaints count / 投诉观察月数';
comment on column policy.value.key_score is 'Score from which on a customer is KEY / 关键客户得分下限';
comment on column policy.value.potential_score is 'Score from which on a customer is POTENTIAL / 潜力客户得分下限';
comment on column policy.value.growing_points is 'Points for growth with which a lower score does / 增长得分要求';
comment on column policy.value.growing_score is 'That lower score / 增长型潜力客户得分下限';
comment on column policy.value.normal_score is 'Score from which on a customer is NORMAL / 一般客户得分下限';
comment on column policy.value.clv_months is 'Months that the lifetime value rests on / 终生价值观察月数';
comment on column policy.value.clv_cap_months is 'Months that a customer is expected to stay at most / 预期在网月数上限';
comment on column policy.value.pareto_a_rate is 'Share of revenue of class A, 0 to 1 / A 类客户收入占比';
comment on column policy.value.pareto_b_rate is 'Share of revenue of classes A and B, 0 to 1 / A、B 类客户收入占比';

comment on table policy.warning is 'Churn warnings. Grain: one row per source. Key: source. / 离网预警参数';
comment on column policy.warning.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.warning.c1_points is 'C1, suspended or barred: points / C1 停机：分值';
comment on column policy.warning.c1_unbroken_days is 'C1: days without a break / C1 连续停机天数';
comment on column policy.warning.c2_points is 'C2, barred since before the month: points / C2 欠费跨月：分值';
comment on column policy.warning.c2_from_day_of_month is 'C2: day of the month from which on it counts / C2 起算日';
comment on column policy.warning.c3_points is 'C3, prepaid credit that runs out: points / C3 预存到期：分值';
comment on column policy.warning.c3_pay_mode is 'C3: mode of payment / C3 付费方式';
comment on column policy.warning.c3_payment_kind is 'C3: kind of payment / C3 缴费类型';
comment on column policy.warning.c3_payment_above_fen is 'C3: payments above this, fen / C3 缴费金额下限（分）';
comment on column policy.warning.c3_payment_days is 'C3: days that payments are looked at / C3 缴费观察天数';
comment on column policy.warning.c3_expiry_after_months is 'C3: months until the balance expires / C3 余额到期月数';
comment on column policy.warning.c3_balance_below_fen is 'C3: balance below this, fen / C3 余额上限（分）';
comment on column policy.warning.c4_points is 'C4, falling bills: points / C4 账单下降：分值';
comment on column policy.warning.c4_bill_above_fen is 'C4: bill of the month before above this, fen / C4 上月账单下限（分）';
comment on column policy.warning.c4_remaining_rate is 'C4: what is left of it at most, 0 to 1 / C4 账单剩余比例';
comment on column policy.warning.c5_points is 'C5, billed without usage: points / C5 零使用：分值';
comment on column policy.warning.c5_bill_above_fen is 'C5: bill above this, fen / C5 账单下限（分）';
comment on column policy.warning.c5_status is 'C5: status / C5 用户状态';
comment on column policy.warning.c5_silent_days is 'C5: days without usage / C5 零使用天数';
comment on column policy.warning.risk_cap is 'Risk at most, points / 风险分上限';
comment on column policy.warning.medium_from is 'Risk from which on the level is MEDIUM / 中风险分值下限';
comment on column policy.warning.high_from is 'Risk from which on the level is HIGH / 高风险分值下限';

comment on table policy.code is 'Codes that rules name. Grain: one row per source, name of the setting and code. Key: source, name, code. / 规则引用的代码';
comment on column policy.code.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.code.name is 'Name of the setting / 参数名';
comment on column policy.code.code is 'Code / 代码';

comment on table policy.band is 'Bands of the value score. Grain: one row per source, scale and band. Key: source, scale, position. / 计分区间';
comment on column policy.band.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.band.scale is 'Scale / 计分项';
comment on column policy.band.position is 'Place of the band, from the lowest / 区间序号';
comment on column policy.band.at_least is 'Lower bound, which is part of it / 区间下限（含）';
comment on column policy.band.below is 'Upper bound, which is no part of it; null: none / 区间上限（不含）';
comment on column policy.band.points is 'Points / 分值';

comment on table policy.parameter is 'All settings as text. Grain: one row per source and name. Key: source, name. / 策略参数一览';
comment on column policy.parameter.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.parameter.name is 'Name of the setting / 参数名';
comment on column policy.parameter.value is 'Value / 参数值';

comment on table policy.history is 'Reach of the models. The same for all sources. Grain: one row. Key: none. / 统计月数参数';
comment on column policy.history.arpu_months is 'Months whose bills ARPU3 is the mean of / 平均出账月数';
comment on column policy.history.held_months is 'Months whose best tier holds / 层次保持月数';
comment on column policy.history.kpi_months is 'Months before the last closed one that have KPIs / 指标追溯月数';

comment on table policy.arpu_month is 'Months of ARPU3. Grain: one row per month. Key: month_offset. / 平均出账月';
comment on column policy.arpu_month.month_offset is 'Months before the month in question / 前推月数';

comment on table policy.held_month is 'Months whose tier holds. Grain: one row per month. Key: month_offset. / 层次保持月';
comment on column policy.held_month.month_offset is 'Months before the month in question / 前推月数';

comment on table policy.work_order is 'Follow-ups to open. Grain: one row per source. Key: source. / 待派工单规则';
comment on column policy.work_order.source is 'Source, or ALL / 省份（ALL 为默认策略）';
comment on column policy.work_order.complaint_days is 'Complaints of so many days without a work order are followed up / 投诉跟进天数';
