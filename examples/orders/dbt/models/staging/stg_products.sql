select
    product_id,
    brand,
    product_name,
    category_code,
    list_price,
    is_active,
    updated_at
from {{ source('raw', 'products') }}
