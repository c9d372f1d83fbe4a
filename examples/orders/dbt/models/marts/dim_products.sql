with sales as (
    select
        items.product_id,
        sum(items.quantity) as units_sold,
        {{ money('sum(items.line_amount)') }} as sales_amount
    from {{ ref('stg_order_items') }} as items
    join {{ ref('stg_orders') }} as orders using (order_id)
    where orders.status <> 'cancelled'
    group by items.product_id
)

select
    products.product_id,
    products.brand,
    products.product_name,
    products.category_code,
    categories.category_name,
    categories.department,
    products.list_price,
    products.dbt_valid_from as price_valid_from,
    products.is_active,
    coalesce(sales.units_sold, 0) as units_sold,
    {{ money('coalesce(sales.sales_amount, 0)') }} as sales_amount
from {{ ref('snap_products') }} as products
left join {{ ref('product_categories') }} as categories using (category_code)
left join sales using (product_id)
where products.dbt_valid_to is null
