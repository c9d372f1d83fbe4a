{# 1,500 customers from before the two years, then 3,500 more, evenly over them. #}
{% macro raw_customers() %}
{% set first_names -%}
    ['Ada', 'Alma', 'Amir', 'Ana', 'Anton', 'Bruno', 'Carla', 'Chloe', 'Daniel', 'Elena', 'Elif', 'Emil', 'Eva',
     'Felix', 'Freya', 'George', 'Hana', 'Hugo', 'Ida', 'Ivan', 'Jack', 'Jana', 'Jonas', 'Julia', 'Kenji', 'Lara',
     'Leo', 'Lina', 'Lucas', 'Maja', 'Marco', 'Maria', 'Mila', 'Nadia', 'Noah', 'Olivia', 'Oscar', 'Paula', 'Rosa',
     'Samuel', 'Sara', 'Sofia', 'Theo', 'Tomas', 'Vera', 'Victor', 'Yara', 'Yuki', 'Zoe']
{%- endset %}
{% set last_names -%}
    ['Adams', 'Andersson', 'Bakker', 'Bauer', 'Bernard', 'Bianchi', 'Brown', 'Carter', 'Clarke', 'Costa', 'Dubois',
     'Evans', 'Ferrari', 'Fischer', 'Garcia', 'Greco', 'Hansen', 'Hoffmann', 'Ito', 'Jansen', 'Johansson', 'Kaya',
     'Keller', 'Kowalski', 'Lambert', 'Laurent', 'Lopez', 'Martin', 'Mayer', 'Moreau', 'Murphy', 'Navarro', 'Nowak',
     'Olsson', 'Petit', 'Ricci', 'Roberts', 'Romero', 'Rossi', 'Sanchez', 'Sato', 'Schmidt', 'Tanaka', 'Taylor',
     'Visser', 'Wagner', 'Walker', 'Weber', 'Wilson', 'Zielinski']
{%- endset %}
{% set streets -%}
    ['Birch Lane', 'Bridge Street', 'Canal Walk', 'Castle Road', 'Church Street', 'Garden Row', 'Harbour Road',
     'High Street', 'Lake Drive', 'Linden Avenue', 'Market Square', 'Mill Lane', 'Oak Avenue', 'Park Road',
     'Station Street', 'Sunny Hill', 'Victoria Road', 'Windmill Way']
{%- endset %}
{% set country_codes -%}
    ['DE', 'DE', 'DE', 'DE', 'DE', 'GB', 'GB', 'GB', 'FR', 'FR', 'FR', 'NL', 'NL', 'ES', 'ES', 'IT', 'IT', 'SE', 'PL',
     'US', 'US', 'US', 'CA', 'JP', 'AU']
{%- endset %}
with places(country_code, cities) as (
    values
        ('AU', ['Melbourne', 'Perth', 'Sydney']),
        ('CA', ['Montreal', 'Toronto', 'Vancouver']),
        ('DE', ['Berlin', 'Hamburg', 'Leipzig', 'Munich']),
        ('ES', ['Madrid', 'Seville', 'Valencia']),
        ('FR', ['Lille', 'Lyon', 'Paris']),
        ('GB', ['Bristol', 'Leeds', 'London']),
        ('IT', ['Bologna', 'Milan', 'Turin']),
        ('JP', ['Kyoto', 'Osaka', 'Tokyo']),
        ('NL', ['Amsterdam', 'Rotterdam', 'Utrecht']),
        ('PL', ['Gdansk', 'Krakow', 'Warsaw']),
        ('SE', ['Gothenburg', 'Malmo', 'Stockholm']),
        ('US', ['Austin', 'Boston', 'Chicago', 'Seattle'])
),

rolled as (
    select
        i as customer_id,
        md5_number_lower('customer ' || i) as a,
        md5_number_upper('customer ' || i) as b
    from range(1, 5001) as numbers(i)
),

people as (
    select
        customer_id,
        {{ pick(first_names, draw('a', 0)) }} as first_name,
        {{ pick(last_names, draw('a', 3)) }} as last_name,
        {{ pick(country_codes, draw('a', 6)) }} as country_code,
        {{ pick(streets, draw('a', 9)) }} as street,
        {{ draw('a', 12) }} % 180 + 1 as house_number,
        {{ draw('b', 0) }} as city_number,
        {{ draw('b', 3, digits=5) }} as postal_number,
        {{ draw('b', 8, digits=6) }} as phone_number,
        {{ draw('b', 14) }} as opinion,
        case
            when customer_id <= 1500 then date '2022-01-01' + cast((customer_id * 730) // 1501 as integer)
            else date '2024-01-01' + cast(((customer_id - 1500) * 731) // 3501 as integer)
        end as signed_up_on
    from rolled
)

select
    customer_id,
    {{ brand_of_customer('customer_id') }} as brand,
    first_name,
    last_name,
    lower(first_name || '.' || last_name) || customer_id || '@example.com' as email,
    '+999 555 ' || lpad(cast(phone_number as varchar), 6, '0') as phone,  -- a country code that nobody has
    house_number || ' ' || street as street_address,
    lpad(cast(postal_number as varchar), 5, '0') as postal_code,
    {{ pick('cities', 'city_number') }} as city,
    country_code,
    opinion < 420 as accepts_marketing,
    signed_up_on
from people
join places using (country_code)
order by customer_id
{% endmacro %}
