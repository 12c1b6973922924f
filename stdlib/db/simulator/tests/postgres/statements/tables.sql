create table orders (id bigint primary key, state text not null default 'new', amount numeric(10,2), placed timestamptz, note varchar(20), data jsonb, tags text[])

create table orders (id int)

create table if not exists orders (id int)

insert into orders (id, amount) values (1, 10.5), (2, 20)

insert into orders values (3, 'paid', 5.555, '2026-03-02 12:00+00', 'hi', '{"b":1,"a":2}', '{x,"y z"}') returning *

insert into orders (id) values (1)

insert into orders (id, state) values (4, null)

insert into orders (state) values ('x')

insert into orders (id, note) values (5, 'this is much too long for it')

insert into orders (id, amount) values (6, 123456789.12)

insert into orders (id, amount) values (6, 'abc')

insert into orders (id, nothing) values (6, 1)

insert into orders (id) values (6, 7)

insert into orders (id, state) values ('7', default) returning id, state, amount is null as none

insert into orders (id, state) values (1, 'again') on conflict (id) do update set state = excluded.state, note = 'was ' || orders.state returning id, state, note

insert into orders (id, state) values (1, 'nothing') on conflict do nothing

insert into orders (id) values (1) on conflict (state) do nothing

update orders set amount = amount * 2 where id <= 2

update orders set state = 'closed', amount = default where id = 3 returning id, state, amount

update orders set id = 2 where id = 1

update orders set nothing = 1

delete from orders where id = 7 returning id

delete from orders where id = 99

select * from orders order by id

select count(*), sum(amount), avg(amount), min(id), max(state) from orders

create table items (id serial primary key, order_id bigint references orders (id) on delete cascade, name text unique, price double precision check (price > 0), added date default '2026-01-01')

insert into items (order_id, name, price) values (1, 'apple', 1.5), (1, 'pear', 2.25), (2, 'plum', 3) returning id, added

insert into items (order_id, name, price) values (99, 'x', 1)

insert into items (order_id, name, price) values (1, 'apple', 1)

insert into items (order_id, name, price) values (1, 'fig', -1)

insert into items (order_id, name, price) select 2, 'bulk' || n, n from generate_series(1, 3) n

select * from items order by id

delete from orders where id = 2

select id, name from items order by id

update orders set id = 10 where id = 1

select currval('items_id_seq'), nextval('items_id_seq'), setval('items_id_seq', 100), nextval('items_id_seq')

create sequence counter start 5 increment 2

select nextval('counter'), nextval('counter'), currval('counter'), lastval()

create index items_by_order on items (order_id)

create unique index items_one on items (order_id, name)

create index items_by_order on items (id)

alter table items add column weight int not null default 7

alter table items rename column weight to mass

alter table items alter column mass drop not null

alter table items alter column mass type bigint

alter table items alter column mass set default 9

alter table items add constraint mass_small check (mass < 1000)

alter table items add constraint mass_tiny check (mass < 1)

insert into items (name, price) values ('kiwi', 0.5) returning *

alter table items drop column added

alter table items drop column gone

alter table items alter column name set not null

alter table items rename to things

select * from things order by id

drop table items

drop table orders

drop table if exists nothing

truncate orders

truncate things

select count(*) from things

create schema audit

create table audit.events (at timestamp, what text)

insert into audit.events values ('2026-03-02 01:02:03', 'a'), (null, null)

select * from audit.events order by at

select events.what from audit.events where at is not null

drop schema audit

create table copies as select id, state from orders

select * from copies order by id

create table like_orders (like orders)

insert into like_orders (id) values (1)

create table gen (id int generated always as identity, x int)

insert into gen (x) values (5), (6) returning id

insert into gen (id, x) values (1, 2)

create table two (a int, b int, c text, primary key (a, b), unique (c))

insert into two values (1, 1, 'x'), (1, 2, null), (2, 1, null)

insert into two values (1, 1, 'y')

insert into two values (3, 3, 'x')

update two set c = 'z' where (a, b) = (1, 2)

select a, b, c from two order by a desc, b

with gone as (delete from two where a = 1 returning a, b) select count(*), sum(b) from gone

with added as (insert into two values (9, 9, 'n') returning *) select * from added

update two set c = o.state from orders o where o.id = two.a returning two.a, o.id

update two t set b = t.b + 1 from (values (9, 1)) as v(a, k) where t.a = v.a

delete from two using orders o where o.id = two.b

select * from two

create table kinds (b boolean, i2 smallint, i4 integer, i8 bigint, n numeric, n2 numeric(12,4), f4 real, f8 double precision, t text, v varchar, d date, ts timestamp, tz timestamptz, u uuid, j jsonb, by bytea)

insert into kinds values (true, 1, 2, 3, 1.50, 2.5, 1.1, 0.1, 'a,b "c"', 'v w', '2026-03-02', '2026-03-02 01:02:03.4', '2026-03-02 01:02:03+00', '550e8400-e29b-41d4-a716-446655440000', '{"k": [1, "x"]}', '\x00ff'), (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null), (false, -1, -2, -3, 'NaN', 0, 1e20, 1e-7, '', ' ', '0001-01-01', '1999-12-31 23:59:59.999999', '2000-01-01 00:00+05', '00000000-0000-0000-0000-000000000000', '[]', ''), (true, 32767, 2147483647, 9223372036854775807, 123456789012345678901234567890.5, 99999999.9999, 3.4e38, 1.7976931348623157e308, 'back\slash (paren)', 'tab	x', '9999-12-31', 'infinity', '-infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"s"', '\x5c')

select t::text from kinds t order by i8

select count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0)::text from only "public"."kinds" t

select * from kinds order by i8

select count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0)::text from only "public"."gen" t where false
