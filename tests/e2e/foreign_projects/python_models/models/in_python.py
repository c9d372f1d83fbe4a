def model(dbt, session):
    dbt.config(materialized='table')
    numbers = dbt.ref('numbers')
    return numbers.filter('id > 1').project('id, value * 2 as doubled')
