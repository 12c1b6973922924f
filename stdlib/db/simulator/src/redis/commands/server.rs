//! The server and the connection.

use super::{Call, Command, Reply, SYNTAX, Words, integer, is, matches, reads};

pub(super) const COMMANDS: &[Command] = &[
    reads("ping", -1, |_, words| match words {
        [] => Ok(Reply::Simple("PONG")),
        [text] => Ok(super::bulk(text)),
        _ => Err("ERR wrong number of arguments for 'ping' command".to_owned()),
    }),
    reads("echo", 2, |_, words| Ok(super::bulk(&words[0]))),
    reads("quit", -1, |call, _| {
        call.session.over = true;
        Ok(Reply::Ok)
    }),
    reads("auth", -2, |call, words| match words {
        [password] => authenticate(call, b"default", password),
        [user, password] => authenticate(call, user, password),
        _ => Err(SYNTAX.to_owned()),
    }),
    reads("hello", -1, hello),
    reads("select", 2, |call, words| {
        let number = integer(&words[0])?;
        let number = u64::try_from(number).ok().filter(|number| *number < DATABASES);
        call.session.database = number.ok_or("ERR DB index is out of range")?;
        Ok(Reply::Ok)
    }),
    reads("client", -2, |call, words| match super::lower(&words[0]).as_str() {
        "setname" => {
            call.session.name = words.get(1).cloned().unwrap_or_default();
            Ok(Reply::Ok)
        }
        "getname" => Ok(match call.session.name.as_slice() {
            [] => Reply::Null,
            name => super::bulk(name),
        }),
        "id" => Ok(Reply::Number(1)),
        other => Err(format!("ERR CLIENT {other} is not simulated")),
    }),
    reads("info", -1, info),
    reads("config", -2, config),
    reads("time", 1, |call, _| {
        let micros = call.now.as_microsecond();
        let part = |number: i64| Reply::Text(number.to_string());
        Ok(Reply::Array(vec![part(micros / 1_000_000), part(micros % 1_000_000)]))
    }),
    reads("save", 1, |call, _| save(call).map(|()| Reply::Ok)),
    reads("bgsave", -1, |call, _| save(call).map(|()| Reply::Simple("Background saving started"))),
    reads("lastsave", 1, |call, _| Ok(Reply::Number(call.server.saved().as_second()))),
    reads("role", 1, |call, _| {
        let role = if call.server.is_replica() { "slave" } else { "master" };
        Ok(Reply::Array(vec![Reply::Text(role.to_owned()), Reply::Number(0), Reply::Array(Vec::new())]))
    }),
    reads("replconf", -1, |_, _| Ok(Reply::Ok)),
    reads("psync", -3, |call, _| {
        let id = call.server.replication_id();
        let mut out = format!("+FULLRESYNC {id} 0\r\n").into_bytes();
        out.extend_from_slice(&transfer(call)?);
        Ok(Reply::Raw(out))
    }),
    reads("sync", 1, |call, _| transfer(call).map(Reply::Raw)),
];

const DATABASES: u64 = 16;

/// What `CONFIG GET` tells.
const CONFIGURATION: &[(&str, &str)] = &[
    ("appendonly", "no"),
    ("databases", "16"),
    ("dbfilename", "dump.rdb"),
    ("dir", "/data"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("save", "3600 1 300 100 60 10000"),
];

fn authenticate(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<Reply, String> {
    match call.server.password() {
        None if user == b"default" => Err(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
                .to_owned(),
        ),
        Some(wanted) if user == b"default" && password == wanted.as_bytes() => {
            call.session.authenticated = true;
            Ok(Reply::Ok)
        }
        _ => Err("WRONGPASS invalid username-password pair or user is disabled.".to_owned()),
    }
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`
fn hello(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let mut version = call.session.version;
    if let Some(wanted) = words.first() {
        version = match wanted.as_slice() {
            b"2" => 2,
            b"3" => 3,
            _ => return Err("NOPROTO unsupported protocol version".to_owned()),
        };
        let mut options = words[1..].iter();
        while let Some(option) = options.next() {
            let mut next = || options.next().ok_or_else(|| "ERR Syntax error in HELLO option".to_owned());
            if is(option, "auth") {
                let (user, password) = (next()?.clone(), next()?.clone());
                authenticate(call, &user, &password)?;
            } else if is(option, "setname") {
                call.session.name = next()?.clone();
            } else {
                return Err(format!(
                    "ERR Syntax error in HELLO option '{}'",
                    String::from_utf8_lossy(option)
                ));
            }
        }
    }
    if !call.session.authenticated {
        return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".to_owned());
    }
    call.session.version = version;
    let text = |text: &str| Reply::Text(text.to_owned());
    let role = if call.server.is_replica() { "replica" } else { "master" };
    Ok(Reply::Map(vec![
        (text("server"), text("redis")),
        (text("version"), text(call.server.version())),
        (text("proto"), Reply::Number(i64::from(version))),
        (text("id"), Reply::Number(1)),
        (text("mode"), text("standalone")),
        (text("role"), text(role)),
        (text("modules"), Reply::Array(Vec::new())),
    ]))
}

fn rdb(call: &Call<'_>) -> Result<Vec<u8>, String> {
    call.keys.to_rdb(call.now, call.server.version()).map_err(|error| format!("ERR {error}"))
}

fn save(call: &mut Call<'_>) -> Result<(), String> {
    let rdb = rdb(call)?;
    call.server.save(rdb);
    Ok(())
}

/// What a replica is sent: the length, and so many bytes.
fn transfer(call: &mut Call<'_>) -> Result<Vec<u8>, String> {
    let rdb = rdb(call)?;
    let mut out = format!("${}\r\n", rdb.len()).into_bytes();
    out.extend_from_slice(&rdb);
    Ok(out)
}

fn config(_: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    if !is(&words[0], "get") || words.len() < 2 {
        return Err(format!("ERR CONFIG {} is not simulated", String::from_utf8_lossy(&words[0])));
    }
    let wanted =
        |name: &str| words[1..].iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), name.as_bytes()));
    let found = CONFIGURATION.iter().filter(|(name, _)| wanted(name));
    let text = |text: &str| Reply::Text(text.to_owned());
    Ok(Reply::Map(found.map(|(name, value)| (text(name), text(value))).collect()))
}

fn info(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let server = call.server;
    let up = call.now.as_second() - server.started().as_second();
    let bytes: usize = call
        .keys
        .databases()
        .flat_map(|database| call.keys.keys(call.now, database))
        .map(|(key, held)| key.len() + held.value.encoded().len() + 64)
        .sum();
    let keyspace: Vec<String> = call
        .keys
        .databases()
        .filter_map(|database| {
            let keys: Vec<_> = call.keys.keys(call.now, database).collect();
            let expiring: Vec<i64> = keys.iter().filter_map(|(_, held)| held.expires).collect();
            let left: i64 = expiring.iter().map(|at| at - call.now.as_millisecond()).sum();
            let average = left.checked_div(i64::try_from(expiring.len()).unwrap_or(1)).unwrap_or(0);
            (!keys.is_empty()).then(|| {
                format!("db{database}:keys={},expires={},avg_ttl={average}", keys.len(), expiring.len())
            })
        })
        .collect();
    let (role, followed) =
        if server.is_replica() { ("slave", "master_link_status:up\r\n") } else { ("master", "") };
    let sections = [
        (
            "Server",
            format!(
                "redis_version:{}\r\nredis_mode:standalone\r\nos:Linux x86_64\r\narch_bits:64\r\ntcp_port:6379\r\nuptime_in_seconds:{up}\r\nuptime_in_days:{}\r\n",
                server.version(),
                up / 86_400
            ),
        ),
        ("Memory", format!("used_memory:{bytes}\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n")),
        (
            "Persistence",
            format!(
                "loading:0\r\nrdb_changes_since_last_save:{}\r\nrdb_bgsave_in_progress:0\r\nrdb_last_save_time:{}\r\nrdb_last_bgsave_status:ok\r\naof_enabled:0\r\n",
                call.keys.changes(),
                server.saved().as_second()
            ),
        ),
        (
            "Replication",
            format!(
                "role:{role}\r\n{followed}connected_slaves:{}\r\nmaster_replid:{}\r\nmaster_repl_offset:0\r\n",
                server.replicas(),
                server.replication_id()
            ),
        ),
        ("Keyspace", keyspace.iter().map(|line| format!("{line}\r\n")).collect()),
    ];
    let wanted = |name: &str| {
        let all = ["default", "all", "everything"];
        words.is_empty() || words.iter().any(|word| is(word, name) || all.iter().any(|all| is(word, all)))
    };
    let shown: Vec<String> = sections
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, lines)| format!("# {name}\r\n{lines}"))
        .collect();
    Ok(Reply::Text(shown.join("\r\n")))
}
