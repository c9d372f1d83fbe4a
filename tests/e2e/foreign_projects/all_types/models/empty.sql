select 1::bigint as id, 'x' as name, 1.5::decimal(9, 2) as amount where false
