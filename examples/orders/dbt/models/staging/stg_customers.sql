select
    customer_id,
    brand,
    first_name || ' ' || last_name as full_name,
    email,
    phone,
    street_address,
    postal_code,
    city,
    country_code,
    accepts_marketing,
    signed_up_on
from {{ source('raw', 'customers') }}
