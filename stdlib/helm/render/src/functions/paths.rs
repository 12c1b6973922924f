//! Paths: Go's `path`, and `path/filepath` as it is on Unix.

use gotemplate::{Function, Functions, Type, Value};

use super::args::text;

pub(super) fn add(functions: &mut Functions) {
    let mut set = |names: [&str; 2], body: fn(&[u8]) -> Value| {
        for name in names {
            functions.set(name, Function::new(&[Type::String], move |_, a| Ok(body(text(a, 0)))));
        }
    };
    set(["base", "osBase"], |path| Value::str(base(path)));
    set(["dir", "osDir"], |path| {
        let directory = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        Value::str(clean(&path[..directory]))
    });
    set(["clean", "osClean"], |path| Value::str(clean(path)));
    set(["ext", "osExt"], |path| {
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        Value::str(name.iter().rposition(|b| *b == b'.').map_or(&b""[..], |dot| &name[dot..]))
    });
    set(["isAbs", "osIsAbs"], |path| path.starts_with(b"/").into());
}

fn base(path: &[u8]) -> &[u8] {
    let Some(last) = path.iter().rposition(|b| *b != b'/') else {
        return if path.is_empty() { b"." } else { b"/" };
    };
    let path = &path[..=last];
    path.rsplit(|b| *b == b'/').next().unwrap_or(path)
}

/// The shortest path of the same meaning, by text alone.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join(b"/".as_slice());
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
