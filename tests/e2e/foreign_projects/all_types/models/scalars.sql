select
    true as a_boolean, 1::tinyint as a_tinyint, 2::smallint as a_smallint, 3::integer as an_integer, 4::bigint as a_bigint,
    5::hugeint as a_hugeint, 6::utinyint as a_utinyint, 7::usmallint as a_usmallint, 8::uinteger as a_uinteger,
    18446744073709551615::ubigint as a_ubigint, 1.5::float as a_float, 2.5::double as a_double,
    12.345::decimal(18, 3) as a_decimal, 'text' as a_text, 'bytes'::blob as a_blob, date '2026-01-31' as a_date,
    time '12:30:00' as a_time, timestamp '2026-01-31 12:30:00.123456' as a_timestamp,
    timestamptz '2026-01-31 12:30:00+00' as a_timestamptz, timestamp_s '2026-01-31 12:30:00' as a_timestamp_s,
    timestamp_ms '2026-01-31 12:30:00.123' as a_timestamp_ms, interval '1 day' as an_interval,
    '00000000-0000-0000-0000-000000000001'::uuid as a_uuid, '{"a": 1}'::json as a_json,
    'small'::enum('small', 'large') as an_enum
union all by name select null as a_boolean
