select 1 as id, 'ann' as first_name, 'x' as last_name
