{#
  The shop's data as a loader would have left it: 5,000 customers, 400 products, two years of orders.

  Everything is computed from row numbers, so every machine gets the same rows: the md5 of a row's key is a long
  number, and `draw` cuts a few digits out of it. Sums are of integers and decimals, never of floats.
  A table that exists is left alone.
#}
{% macro create_raw_tables() -%}
create schema if not exists raw;
create table if not exists raw.customers as {{ raw_customers() }};
create table if not exists raw.products as {{ raw_products() }};
create table if not exists raw.order_items as {{ raw_order_items() }};
create table if not exists raw.orders as {{ raw_orders() }};
create table if not exists raw.payments as {{ raw_payments() }};
{%- endmacro %}

{# A whole number of `digits` digits, taken from the decimal number `dice` above its lowest `position` digits. #}
{% macro draw(dice, position, digits=3) -%}
cast(({{ dice }} // {{ 10 ** position }}) % {{ 10 ** digits }} as bigint)
{%- endmacro %}

{# One element of an SQL list, each as likely as its share of the list; `number` is from 0 to 999. #}
{% macro pick(list, number) -%}
({{ list }})[({{ number }} * len({{ list }})) // 1000 + 1]
{%- endmacro %}

{# Customers belong to one brand each; the larger brands have more of them. #}
{% macro brand_of_customer(customer_id) -%}
(['aurora', 'birch', 'aurora', 'cobalt', 'birch', 'aurora', 'dune', 'birch', 'aurora', 'cobalt'])[
        {{ customer_id }} % 10 + 1]
{%- endmacro %}
