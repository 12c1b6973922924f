create table people (id int primary key, name text, boss int, pay int, joined date)

insert into people values (1, 'Ann', null, 100, '2020-01-01'), (2, 'Bob', 1, 80, '2021-02-02'), (3, 'Cid', 1, 80, '2021-03-03'), (4, 'Dee', 2, 50, '2022-04-04'), (5, 'Eve', 2, null, '2023-05-05')

create table teams (id int primary key, lead int, title text)

insert into teams values (1, 2, 'red'), (2, 3, 'blue'), (3, 9, 'none')

select p.name, b.name as boss from people p join people b on p.boss = b.id order by p.id

select p.name, b.name from people p left join people b on p.boss = b.id order by p.id

select t.title, p.name from people p right join teams t on t.lead = p.id order by t.id

select t.title, p.name from people p full join teams t on t.lead = p.id order by t.id, p.id

select count(*) from people, teams

select p.name, t.title from people p, teams t where t.lead = p.id order by 1

select * from people join teams using (id) order by id

select * from people natural join teams order by id

select p.*, t.title from people p cross join teams t where p.id = 1 order by t.id

select boss, count(*), sum(pay), avg(pay), min(name), max(joined) from people group by boss order by boss

select boss, count(*) as n from people group by boss having count(*) > 1 order by n desc, boss

select boss is null as top, count(*) from people group by 1 order by 1

select coalesce(pay, 0) / 50 as band, string_agg(name, ',' order by name desc) from people group by band order by band

select p.id, p.name, count(t.id) from people p left join teams t on t.lead = p.id group by p.id order by p.id

select count(distinct pay), count(pay), sum(distinct pay), array_agg(name order by id), bool_and(pay > 10), bool_or(pay > 90) from people

select count(*) filter (where pay > 60) as rich, sum(pay) filter (where boss = 2) from people

select jsonb_agg(name order by id), jsonb_object_agg(name, pay order by id) from people

select distinct pay from people order by pay nulls first

select distinct on (boss) boss, name from people order by boss, pay desc nulls last, name

select name from people order by pay desc, name limit 2 offset 1

select name from people order by joined desc fetch first 2 rows only

select name from people where id in (select lead from teams) order by name

select name from people p where exists (select 1 from teams t where t.lead = p.id) order by name

select name from people where id not in (select lead from teams where lead < 9) order by name

select name, (select title from teams t where t.lead = p.id) as title from people p order by id

select name from people where pay > all (select pay from people where boss = 2 and pay is not null) order by id

select (select count(*) from teams) + 1, array(select id from teams order by id)

select x.n, x.s from (select boss as n, sum(pay) as s from people group by boss) x where x.s is not null order by x.n

select * from (values (1, 'a'), (2, 'b')) as v(id, letter) order by id desc

values (1, 'x'), (2, null)

select id from people where pay = 80 union select lead from teams order by 1

select id from people union all select id from teams order by id

select id from people intersect select id from teams order by 1

select id from people except select id from teams order by 1

select 1 as a union select 2.5 order by a

with recursive up(id, depth) as (select id, 0 from people where boss is null union all select p.id, depth + 1 from people p join up on p.boss = up.id) select id, depth from up order by id

with a as (select 1 as x), b as (select x + 1 as y from a) select x, y from a, b

select n from generate_series(1, 3) n

select n, n * 2 from generate_series(5, 1, -2) as n

select d::date from generate_series(timestamp '2026-01-30', timestamp '2026-02-02', interval '1 day') d

select generate_series(1, 2), 'x'

select unnest(array['a', 'b']), unnest(array[1, 2, 3])

select p.name, x from people p, unnest(array[p.id, p.pay]) x where p.id < 3 order by p.id, x

select p.id, l.n from people p, lateral (select count(*) as n from people q where q.boss = p.id) l order by p.id

select * from unnest(array['x', 'y']) with ordinality as t(v, i)

select * from jsonb_array_elements('[1, "a"]') e

select name, row_number() over (order by pay desc nulls last, id), rank() over (order by pay desc nulls last), dense_rank() over (order by pay desc nulls last) from people order by id

select name, sum(pay) over (partition by boss order by id), lag(name) over (order by id), lead(pay, 2, 0) over (order by id), count(*) over () from people order by id

select boss, sum(count(*)) over (order by boss) from people group by boss order by boss

select name, pay from people where (boss, pay) in ((1, 80), (2, 50)) order by id

select p from people p where id = 1

select p.name as n from people p order by n desc limit 1

select name from people where name like '%e%' and pay is not null or id = 5 order by id

select upper(name) as u, length(name) from people where joined between '2021-01-01' and '2021-12-31' order by u

select max(pay) from people where false

select count(*), sum(pay) from people where false

select id from people where name = 'Ann' for update

select sum(pay) * 1.0 / count(*), round(avg(pay), 2), sum(pay::bigint), sum(1.5), avg(pay::float8) from people

table teams

select id, case when pay >= 80 then 'high' when pay is null then 'none' else 'low' end as level from people order by id

select 1 from people having count(*) > 3

select name from people order by length(name), name desc limit 3

select to_jsonb(name), to_jsonb(pay), to_jsonb(joined) from people where id = 1

select json.v ->> 'k' as k from (select '{"k": "deep"}'::jsonb as v) json

select id from people where id = $1 and name like $2 and pay > $3 and joined < $4

select id from people where id = any($1) limit $2

insert into people (id, name, pay) values (6, 'Fay', 10); select name from people where id = 6; delete from people where id = 6
