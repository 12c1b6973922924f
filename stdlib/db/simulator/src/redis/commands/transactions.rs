//! Several commands as one.

use super::{Call, Command, Queued, Reply, Words, all, lower, reads};

pub(super) const COMMANDS: &[Command] = &[
    reads("multi", 1, |call, _| {
        if call.session.queued.is_some() {
            return Err("ERR MULTI calls can not be nested".to_owned());
        }
        call.session.queued = Some(Queued::default());
        Ok(Reply::Ok)
    }),
    reads("discard", 1, |call, _| {
        call.session.queued.take().ok_or("ERR DISCARD without MULTI")?;
        call.session.watched.clear();
        Ok(Reply::Ok)
    }),
    reads("watch", -2, |call, keys| {
        if call.session.queued.is_some() {
            return Err("ERR WATCH inside MULTI is not allowed".to_owned());
        }
        let (since, database) = (call.keys.changes(), call.session.database);
        call.session.watched.extend(keys.iter().map(|key| (since, database, key.clone())));
        Ok(Reply::Ok)
    }),
    reads("unwatch", 1, |call, _| {
        call.session.watched.clear();
        Ok(Reply::Ok)
    }),
    reads("exec", 1, execute),
];

fn execute(call: &mut Call<'_>, _: Words<'_>) -> Result<Reply, String> {
    let queued = call.session.queued.take().ok_or("ERR EXEC without MULTI")?;
    let watched = std::mem::take(&mut call.session.watched);
    if queued.refused {
        return Err("EXECABORT Transaction discarded because of previous errors.".to_owned());
    }
    if watched.iter().any(|(since, database, key)| call.keys.has_changed(*since, *database, key)) {
        return Ok(Reply::NullArray);
    }
    let replies = queued.requests.iter().map(|request| {
        let name = lower(&request[0]);
        // It was there when it was queued.
        let command = all().find(|command| command.name == name).ok_or("ERR unknown command")?;
        (command.run)(call, &request[1..])
    });
    Ok(Reply::Array(replies.map(|reply| reply.unwrap_or_else(Reply::Error)).collect()))
}
