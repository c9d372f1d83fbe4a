{{ config(alias='v1.2', schema='Mixed Case') }}
select "With Space", 5 as "quo""te" from {{ ref('Upper_Seed') }}
