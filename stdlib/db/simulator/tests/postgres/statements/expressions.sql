select 1

select 1 + 2 * 3, 7 / 2, -7 / 2, 7 % 3, -7 % 3, 2147483648, 10 / 4.0

select 1::smallint + 1::smallint, 1::smallint + 1, 1 + 1::bigint, 1 + 1.5, 1 + 1.5::float8, 1::real + 1::real

select 32767::smallint + 1::smallint

select 2147483647 + 1

select 9223372036854775807 + 1

select 1 / 0

select 1.0 / 0

select 0.1 + 0.2, 0.1::float8 + 0.2::float8, 1.10 * 2.200, 10.0 / 3, 1 / 3.0, 100000000 / 7.0, 2.5 - 2.50

select 1e20::float8, 1e15::float8, 123456789012345::float8, 1e-5::float8, 0.0001::float8, 'NaN'::float8, '-Infinity'::float8, 1.5::real, 1e10::real, 0.1::real::float8

select round(2.5), round(-2.5), round(2.567, 2), round(1234.5, -2), trunc(2.9), floor(-2.5), ceil(-2.5), abs(-5), abs(-5.5), sign(-3.2), mod(10, 3), power(2, 10), sqrt(2)

select round(2.5::float8), round(3.5::float8), (2.5::float8)::int, 2.5::int, 3.5::int, -2.5::int

select 'a' || 'b', 'a' || 1, 1 || 'a', 'a' || null, 'x' || 1.50 || true

select 'abc' like 'a%', 'abc' like '_b_', 'abc' ilike 'ABC', 'a%c' like 'a\%c', 'abc' not like 'x%', 'abc' similar to 'abc'

select 'abc' like 'a%', 'abc' like '_b_', 'abc' ilike 'ABC', 'a%c' like 'a\%c', 'abc' not like 'x%'

select 'foobar' ~ '^foo', 'foobar' !~ 'z', 'FOObar' ~* 'foo', 'foobar' ~ 'o{2}b'

select lower('ABC'), upper('abc'), initcap('hello world'), length('abc'), char_length('äöü'), octet_length('äöü'), reverse('abc'), repeat('ab', 3)

select substr('hello', 2, 3), substring('hello' from 2 for 3), substring('hello' from 2), left('hello', 2), left('hello', -2), right('hello', 2), right('hello', -2), substring('foobar' from 'o(.)b')

select trim('  a  '), ltrim('xxa', 'x'), rtrim('axx', 'x'), btrim('xxaxx', 'x'), trim(leading 'x' from 'xxa'), trim(both from ' a ')

select position('b' in 'abc'), strpos('abc', 'c'), replace('aaa', 'a', 'b'), translate('12345', '143', 'ax'), split_part('a,b,c', ',', 2), split_part('a,b,c', ',', -1)

select lpad('7', 3, '0'), rpad('7', 3, 'x'), lpad('hello', 2), ascii('a'), chr(97), to_hex(255), md5('hello'), quote_ident('Foo'), quote_literal('it''s'), quote_ident('foo')

select concat('a', null, 1, true), concat_ws('-', 'a', null, 'b'), format('%s is %I and %L', 'x', 'Foo', 'it''s')

select regexp_replace('foobar', 'o', 'x'), regexp_replace('foobar', 'o', 'x', 'g'), regexp_replace('foobar', '(o+)', '<\1>'), regexp_match('foobar', 'o(.)')

select encode('\x01ff'::bytea, 'hex'), encode('hello'::bytea, 'base64'), decode('aGVsbG8=', 'base64'), '\x0102'::bytea || '\x03'::bytea, length('\x010203'::bytea), sha256('abc'::bytea)

select true and null, true or null, not null::boolean, null is null, 1 is not null, null = null, 1 = null, 1 is distinct from null, null is not distinct from null, true is true, null is not true

select 1 in (1, 2), 3 in (1, 2), 3 in (1, null), 1 not in (2, null), 1 between 0 and 2, 5 not between 0 and 2

select 1 = any(array[1, 2]), 3 = any('{1,2}'::int[]), 1 <> all(array[2, 3]), 'a' = any(array['a', 'b']), 'abc' like any(array['a%', 'b%'])

select case when 1 > 2 then 'a' else 'b' end, case 3 when 3 then 'three' end, case when false then 1 end, coalesce(null, 2, 3), nullif(1, 1), nullif(1, 2), greatest(1, 3, 2), least('b', 'a'), greatest(1, null)

select coalesce(null, 'x'), coalesce(1, 2.5), case when true then 1 else 2.5 end

select '2026-03-02'::date, '2026-03-02 12:34:56.789'::timestamp, '2026-03-02 12:34:56+02'::timestamptz, '12:34:56'::time, '1 day 02:03:04'::interval, '0044-03-15 BC'::date, 'infinity'::timestamp

select date '2026-03-02' + 1, date '2026-03-02' - date '2026-02-28', date '2026-03-02' + interval '1 month', timestamp '2026-03-31 10:00' - interval '1 month', timestamp '2026-03-02 10:00' - timestamp '2026-03-01 09:00'

select interval '5 minutes', interval '1' day, interval '1 year 2 months 3 days 4 hours', interval '-1 day', interval '1.5 hours', interval '90 minutes' * 2, interval '1 day' / 2, interval '1 month' - interval '1 day', interval '1 week'

select interval '1 year -2 days', interval '-3 mons 4 days -05:06:07', interval '0'

select extract(epoch from timestamptz '2026-03-02 00:00:00+00'), extract(year from date '2026-03-02'), extract(dow from date '2026-03-02'), extract(hour from timestamp '2026-03-02 12:34:56'), extract(second from timestamp '2026-03-02 12:34:56.5'), extract(week from date '2026-01-01'), extract(isoyear from date '2027-01-01'), extract(doy from date '2026-03-02'), extract(epoch from interval '1 day 1 second')

select date_trunc('hour', timestamp '2026-03-02 12:34:56'), date_trunc('month', timestamptz '2026-03-02 12:34:56+00'), date_trunc('week', timestamp '2026-03-04 01:00'), date_part('minute', timestamp '2026-03-02 12:34:56'), to_timestamp(1772452800), age(timestamp '2026-03-02', timestamp '2025-01-31')

select timestamptz '2026-03-02 12:00:00+00' at time zone 'UTC', timestamp '2026-03-02 12:00:00' at time zone 'UTC'

select '2026-03-02'::date < '2026-03-02 01:00'::timestamp, '2026-03-02'::timestamptz = '2026-03-02 00:00:00'::timestamp

select '{"b": 1, "a": [1, 2.50, null, "x\n"], "aa": {"c": true}}'::jsonb, '{"a":1,"a":2}'::jsonb, '{ "b":1,  "a":2 }'::json

select '{"a": {"b": [10, 20]}}'::jsonb -> 'a', '{"a": "x"}'::jsonb ->> 'a', '[1,2,3]'::jsonb -> 1, '[1,2,3]'::jsonb -> -1, '{"a": {"b": [10, 20]}}'::jsonb #> '{a,b,1}', '{"a": {"b": [10, 20]}}'::jsonb #>> '{a,b}', '{"a": 1}'::jsonb -> 'z'

select '{"a": 1, "b": 2}'::jsonb @> '{"a": 1}', '[1,2]'::jsonb @> '1', '{"a": 1}'::jsonb ? 'a', '{"a": 1}'::jsonb || '{"b": 2}'::jsonb, '{"a": 1, "b": 2}'::jsonb - 'a', '[1,2,3]'::jsonb - 0

select jsonb_typeof('[1]'), jsonb_array_length('[1,2]'), jsonb_build_object('a', 1, 'b', 'x', 'c', null, 'd', 1.50, 'e', true), jsonb_build_array(1, 'a', null), to_jsonb('x'::text), to_jsonb(array[1, 2]), ('{"n": 5}'::jsonb ->> 'n')::int, ('{"n": 5.5}'::jsonb -> 'n')::numeric

select array[1, 2, 3], array['a', 'b c', null, 'd"e'], '{1,2,3}'::int[], array[1, 2] || array[3], array[1, 2] || 3, (array[10, 20])[2], array_length(array[1, 2], 1), cardinality(array[1]), array_to_string(array[1, 2, null], ','), string_to_array('a,b', ','), array[1, 2] @> array[1], array[1, 2] && array[2, 3], array_position(array['a', 'b'], 'b'), array_remove(array[1, 2, 1], 1), array[]::int[]

select '550e8400-e29b-41d4-a716-446655440000'::uuid, 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid, 't'::boolean, 'off'::boolean, '1'::boolean, 5::boolean, true::int, true::text, 'abc'::varchar(2), 'abc'::name, 65::"char", '12'::int, ' 12 '::int, 1.999::numeric(3, 1), '1e3'::numeric, 'NaN'::numeric

select ('x' || substr(md5('hello'), 1, 15))::bit(60)::bigint, b'101', x'1F', 5::bit(8), b'101'::int, 'x7f'::bit(8)

select row(1, 'a b', null, true), (1, 2) = (1, 2), (1, null) = (1, 2), (1, 2) < (1, 3), row(1, '', 'q"x')::text

select cast(1 as text), cast('1' as int), 1::text || 'x', null::int, 'x'::text = 'x', 1::numeric = 1.0, 1 = 1.0::float8

select pg_typeof(1), pg_typeof('x'::text), pg_typeof(1.5), pg_typeof(now()), pg_typeof(array[1]), pg_typeof(null)

select current_schema, current_schemas(true), current_database(), current_user, session_user, pg_is_in_recovery()

select pg_size_pretty(0::bigint), pg_size_pretty(10239::bigint), pg_size_pretty(10240::bigint), pg_size_pretty(1048576::bigint), pg_size_pretty(123456789012::bigint), pg_size_pretty(-20000::bigint)

select now() - interval '5 minutes' < now(), now() = current_timestamp, current_date = now()::date, clock_timestamp() >= now(), extract(epoch from now()) > 0

select 1 as a, 2 as "B", 3 c, 'x' as "a b"

select true, null, 1.5, 'x', 1::bigint, date '2026-01-01', interval '1 day', current_date is null, exists(select 1), (select 1), array(select 1), count(*), lower('A'), coalesce(1), 1 + 1, -1, not true, case when true then 1 end, extract(year from date '2026-01-01'), substring('a' from 1), trim('a'), position('a' in 'a')

select $1::int + 1, $2::text, coalesce($3, 1.5)

select $1 + 1, $2 || 'x', $3 = any($4::bigint[])

select 'a' 'b'

select E'a\nb', $$it's$$, $tag$x$tag$, U&'\0061'

select 1 where false

select 0.5, .5, 5., 1_000

select 7 & 3, 4 | 1, 5 # 1, 2 ^ 3

select num_nulls(1, null, 2), scale(1.50), trim_scale(1.500), gen_random_uuid() is not null

select numeric '12345678901234567890.123456789' * 1000, 1e-10::numeric, 1000000000000000000000::numeric / 3, 5 / 0.3, -1.5 % 1

select 'a' < 'B', 'a' < 'b', 'abc' > 'ab', '' < 'a'

select '\x'::bytea, 'a\\b'::bytea, '\x6162'::bytea = 'ab'::bytea
