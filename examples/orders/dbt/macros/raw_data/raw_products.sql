{# 100 products for each brand; a brand sells three categories. #}
{% macro raw_products() %}
with categories(brand, place, category_code, base_cents, nouns) as (
    values
        ('aurora', 0, 'lighting', 3900, ['Desk Lamp', 'Floor Lamp', 'Pendant']),
        ('aurora', 1, 'bedding', 4500, ['Blanket', 'Duvet Cover', 'Pillow']),
        ('aurora', 2, 'kitchen', 2200, ['Chef Knife', 'Serving Bowl', 'Tea Towel Set']),
        ('birch', 0, 'tents', 15900, ['Family Tent', 'Tarp', 'Trail Tent']),
        ('birch', 1, 'backpacks', 6900, ['Daypack', 'Duffel', 'Trekking Pack']),
        ('birch', 2, 'footwear', 8900, ['Hiking Boot', 'Sandal', 'Trail Shoe']),
        ('cobalt', 0, 'headphones', 7900, ['Earbuds', 'Headphones', 'Headset']),
        ('cobalt', 1, 'speakers', 11900, ['Bookshelf Speaker', 'Party Speaker', 'Radio']),
        ('cobalt', 2, 'chargers', 1900, ['Charging Dock', 'Power Bank', 'Wall Charger']),
        ('dune', 0, 'coffee', 900, ['Espresso Beans', 'Filter Coffee', 'Coffee Capsules']),
        ('dune', 1, 'tea', 700, ['Black Tea', 'Green Tea', 'Herbal Tea']),
        ('dune', 2, 'chocolate', 450, ['Dark Chocolate', 'Milk Chocolate', 'Truffles'])
),

numbers as (
    select
        i as product_id,
        (['aurora', 'birch', 'cobalt', 'dune'])[(i - 1) // 100 + 1] as brand,
        (i - 1) % 3 as place,
        ((i - 1) % 100) // 3 as variant,
        md5_number_lower('product ' || i) as dice
    from range(1, 401) as numbers(i)
),

priced as (
    select
        *,
        (base_cents * 6 // 10 + base_cents * {{ draw('dice', 0) }} // 1000) // 10 * 10 as price_cents
    from numbers
    join categories using (brand, place)
)

select
    product_id,
    brand,
    (['Alpine', 'Classic', 'Coastal', 'Compact', 'Everyday', 'Forest', 'Heritage', 'Light', 'Nordic', 'Original',
      'Studio', 'Urban'])[variant // 3 + 1] || ' ' || nouns[variant % 3 + 1] as product_name,
    category_code,
    cast(greatest(price_cents, 290) * 0.01 as decimal(12, 2)) as list_price,
    {{ draw('dice', 3) }} >= 40 as is_active,
    timestamp '2024-01-01 06:00:00' + to_days(cast({{ draw('dice', 6) }} * 700 // 1000 as integer)) as updated_at
from priced
order by product_id
{% endmacro %}
