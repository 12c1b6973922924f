create table cat (id bigserial primary key, name varchar(30) not null unique, price numeric(10,2) default 1.5, ref int, parent bigint references cat (id))

create index cat_ref on cat (ref)

insert into cat (name) select 'n' || i from generate_series(1, 10) i

analyze cat

select table_schema, table_name, table_type from information_schema.tables where table_name = 'cat'

select column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, udt_name from information_schema.columns where table_schema = 'public' and table_name = 'cat' order by ordinal_position

select c.relname, c.relkind, c.reltuples::bigint, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r' and c.relname = 'cat'

select c.relname, c.relkind from pg_catalog.pg_class c where c.relname like 'cat%' and c.relkind in ('i', 'S') order by 1

select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attnum from pg_attribute a where a.attrelid = 'cat'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum

select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey) where i.indrelid = 'public.cat'::regclass and i.indisprimary

select i.relname, x.indisunique, x.indisprimary from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = 'cat'::regclass order by 1

select conname, contype from pg_constraint where conrelid = 'cat'::regclass order by conname

select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'cat'::regclass order by conname

select indexname, indexdef from pg_indexes where tablename = 'cat' order by 1

select schemaname, tablename from pg_tables where schemaname = 'public' and tablename = 'cat'

select tc.constraint_type, kcu.column_name from information_schema.table_constraints tc join information_schema.key_column_usage kcu on kcu.constraint_name = tc.constraint_name and kcu.table_schema = tc.table_schema where tc.table_name = 'cat' and tc.constraint_type in ('PRIMARY KEY', 'FOREIGN KEY') order by 1, 2

select 'cat'::regclass, 'cat'::regclass::oid = (select oid from pg_class where relname = 'cat'), 'pg_class'::regclass, to_regclass('nope') is null

select 'nope'::regclass

select pg_total_relation_size('cat') > 0, pg_relation_size('cat') >= 8192, pg_database_size(current_database()) > 1000000, pg_table_size('cat') > 0

select datname from pg_database where datname = 'postgres'

select state, query from pg_stat_activity where pid = pg_backend_pid()

select count(*) from pg_stat_activity where datname = 'nothing'

select usename, datname, application_name from pg_stat_activity where pid = pg_backend_pid()

select pg_terminate_backend(1)

select nspname from pg_namespace where nspname in ('public', 'pg_catalog', 'information_schema') order by 1

select schema_name from information_schema.schemata where schema_name = 'public'

select typname, oid, typlen from pg_type where typname in ('int4', 'text', 'jsonb', 'uuid', 'timestamptz', '_text') order by 1

select pg_get_serial_sequence('cat', 'id'), pg_table_is_visible('cat'::regclass)

select relname, n_live_tup from pg_stat_user_tables where relname = 'nothing'

select count(*) from pg_stat_replication

select extname from pg_extension

select rolname, rolsuper from pg_roles where rolname = 'postgres'

select sequencename, start_value, last_value from pg_sequences where sequencename = 'cat_id_seq'

show server_encoding

select current_setting('server_version_num')::int / 10000

select pg_last_xact_replay_timestamp()

select pg_try_advisory_lock(42), pg_advisory_unlock(42), pg_advisory_unlock(42)
