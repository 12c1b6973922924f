create table acc (id int primary key, n int)

insert into acc values (1, 100), (2, 100)

begin

update acc set n = n - 10 where id = 1

select n from acc order by id

rollback

select n from acc order by id

begin; update acc set n = n - 10 where id = 1; commit

select n from acc order by id

begin

insert into acc values (1, 1)

select 1

commit

begin

savepoint a

insert into acc values (3, 3)

savepoint b

insert into acc values (3, 3)

rollback to savepoint b

insert into acc values (4, 4)

release savepoint a

commit

select * from acc order by id

begin read only

insert into acc values (9, 9)

rollback

set default_transaction_read_only = on

insert into acc values (9, 9)

create table nope (id int)

show transaction_read_only

set default_transaction_read_only = off

commit

rollback

begin

begin

end

start transaction isolation level repeatable read

show transaction_isolation

rollback

rollback to savepoint x

savepoint x

insert into acc values (7, 7); insert into acc values (1, 1); insert into acc values (8, 8)

select count(*) from acc where id > 6

begin; insert into acc values (7, 7); select 1 / 0; insert into acc values (8, 8)

insert into acc values (8, 8)

rollback

select count(*) from acc where id > 6

set application_name = 'tester'

show application_name

select current_setting('application_name'), current_setting('no.such', true)

set local application_name = 'inner'

begin; set local application_name = 'inner'; show application_name; commit; show application_name

set nothing = 1

show nothing

reset application_name

show search_path

set search_path = audit, public

show search_path

select set_config('search_path', 'public', false)

set statement_timeout = '100ms'

select pg_sleep(0.05)

select pg_sleep(5)

set statement_timeout = 0

show timezone

set time zone 'UTC'

create database other

create database other

begin; create database third

rollback

drop database other

drop database other

drop database if exists other

drop database postgres

;
