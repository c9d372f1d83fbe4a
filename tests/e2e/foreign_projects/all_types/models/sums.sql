select sum(an_integer) as a_sum, count(*) as a_count, avg(a_double) as a_mean from {{ ref('scalars') }}
