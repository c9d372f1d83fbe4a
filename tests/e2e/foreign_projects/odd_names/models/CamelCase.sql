select "Id", "Order" as "ORDER", "from", "a.b" as "c.d.e", 1 as "select", 2 as "1st", 3 as "Ünïcödé 🚀" from {{ ref('Upper_Seed') }}
