selec 1

select 1 +

select nothing

select nothing from pg_class

select x.a from pg_class c

select * from nowhere

select * from no.where

select nofunc(1)

select lower(1, 2)

select 'a' + 1

select 1 = 'a'

select 'a'::text = 1

select true + 1

select '12x'::int

select 'abc'::uuid

select '2026-13-01'::date

select 'abc'::date

select '{"a"'::jsonb

select 'maybe'::boolean

select 99999::smallint

select '99999999999'::int

select 300::"char"

select 1::uuid

select now()::int

select 1 where 1

select count(*) from pg_class where count(*) > 1

select relname, count(*) from pg_class

select 1 order by 2

select 1 union select 1, 2

select 1 union select 'a'

select (select 1 union select 2)

select (select 1, 2)

select 1 limit -1

select * from pg_class a, pg_class a

select oid from pg_class a, pg_class b

select case when 1 then 2 end

select case when true then 1 else 'x' end

select array[1, 'a']

select 1 in (select 1, 2)

select substr('a', 1, -1)

select chr(0)

select 1 as a group by b

select sum('a'::text)

select sum(sum(1))

select generate_series(1, 5, 0)

create table bad (id int, id int)

create table bad (id nothing)

create table bad (id int primary key, x int primary key)

create table bad (id int references nowhere (id))

drop table nowhere

drop index nowhere

create index on nowhere (id)

alter table nowhere add column x int

insert into nowhere values (1)

update nowhere set x = 1

truncate nowhere

drop schema nowhere

create schema pg_mine

select currval('nothing')

select 1; select nothing; select 2

select extract(nothing from now())

select 'x' like 'x\'

select regexp_replace('a', '(', 'b')

select $1

select to_timestamp('x')

select not 1

select 1 and true

select -'a'::text

select (array[1])['x']

select greatest(1, 'a')

select coalesce(1, 'a')

prepare x as select 1; select 2
