-- Every column of the tables and views of some layers ($layers, in this order), with what is said of them.
with relation as (
    select schema_name, table_name, 'table' as kind, comment from duckdb_tables()
    where database_name = 'warehouse'
    union all
    select schema_name, view_name as table_name, 'view' as kind, comment from duckdb_views()
    where database_name = 'warehouse'
)

select
    r.schema_name, r.table_name, r.kind, r.comment, c.column_name, c.data_type,
    c.comment as column_comment
from relation as r
inner join duckdb_columns() as c
    on c.database_name = 'warehouse' and c.schema_name = r.schema_name and c.table_name = r.table_name
where list_contains($layers, r.schema_name)
order by list_position($layers, r.schema_name), r.table_name, c.column_index
