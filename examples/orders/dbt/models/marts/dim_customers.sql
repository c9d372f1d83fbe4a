select
    customers.customer_id,
    customers.brand,
    customers.full_name,
    customers.email,
    customers.phone,
    customers.street_address,
    customers.postal_code,
    customers.city,
    customers.country_code,
    countries.country_name,
    countries.region,
    customers.accepts_marketing,
    customers.signed_up_on
from {{ ref('stg_customers') }} as customers
left join {{ ref('countries') }} as countries using (country_code)
