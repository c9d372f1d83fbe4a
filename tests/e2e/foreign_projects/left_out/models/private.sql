{{ config(access='private', group='people') }}
select one from {{ ref('kept') }}
