//! URLs: Go's `net/url`, as dictionaries of their parts.

use gotemplate::format::quote;
use gotemplate::{FnError, Function, Functions, Kind, MAP, Map, Type, Value};

use super::args::{Result, map, nil_dereference, text};

pub(super) fn add(functions: &mut Functions) {
    functions.set(
        "urlParse",
        Function::new(&[Type::String], |_, a| {
            let url =
                Url::parse(text(a, 0)).map_err(|e| FnError::new(format!("unable to parse url: {e}")))?;
            Ok(url.into_map().into())
        }),
    );
    functions.set("urlJoin", Function::new(&[MAP], |_, a| Ok(Value::str(join(&map(a, 0))?))));
}

/// The parts of a URL, decoded where Go decodes them.
#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    /// As it is written: encoded.
    userinfo: Option<Vec<u8>>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    force_query: bool,
    fragment: Vec<u8>,
}

/// Which characters may stand as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Fragment,
}

type Parsed<T> = std::result::Result<T, String>;

impl Url {
    fn parse(text: &[u8]) -> Parsed<Url> {
        let failed = |url: &[u8], e: String| format!("parse {}: {e}", quote(url));
        let (main, fragment) = split_at(text, b'#');
        let mut url = Url::without_fragment(main).map_err(|e| failed(main, e))?;
        if let Some(fragment) = fragment {
            url.fragment = unescape(fragment, Part::Fragment).map_err(|e| failed(text, e))?;
        }
        Ok(url)
    }

    fn without_fragment(text: &[u8]) -> Parsed<Url> {
        if text.iter().any(|b| *b < b' ' || *b == 0x7F) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Url::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with(b"?") && rest.iter().filter(|b| **b == b'?').count() == 1 {
            url.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else {
            let (before, query) = split_at(rest, b'?');
            url.query = query.unwrap_or_default().to_vec();
            rest = before;
        }
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if split_at(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if (!url.scheme.is_empty() || !rest.starts_with(b"///")) && rest.starts_with(b"//") {
            let authority = &rest[2..];
            let slash = authority.iter().position(|b| *b == b'/').unwrap_or(authority.len());
            url.authority(&authority[..slash])?;
            rest = &authority[slash..];
        }
        url.path = unescape(rest, Part::Path)?;
        Ok(url)
    }

    fn authority(&mut self, authority: &[u8]) -> Parsed<()> {
        let host = match authority.iter().rposition(|b| *b == b'@') {
            None => authority,
            Some(at) => {
                let userinfo = &authority[..at];
                let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
                if !userinfo.iter().all(is_allowed) {
                    return Err("net/url: invalid userinfo".to_owned());
                }
                let (user, password) = split_at(userinfo, b':');
                let mut encoded = escape(&unescape(user, Part::User)?, Part::User);
                if let Some(password) = password {
                    encoded.push(b':');
                    encoded.extend(escape(&unescape(password, Part::User)?, Part::User));
                }
                self.userinfo = Some(encoded);
                &authority[at + 1..]
            }
        };
        self.host = parse_host(&self.scheme, host)?;
        Ok(())
    }

    fn into_map(self) -> Map {
        let hostname = Value::str(hostname(&self.host));
        Map::from_iter([
            ("scheme", Value::str(self.scheme)),
            ("host", Value::str(self.host)),
            ("hostname", hostname),
            ("path", Value::str(self.path)),
            ("query", Value::str(self.query)),
            ("opaque", Value::str(self.opaque)),
            ("fragment", Value::str(self.fragment)),
            ("userinfo", Value::str(self.userinfo.unwrap_or_default())),
        ])
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            if !self.scheme.is_empty() || !self.host.is_empty() || self.userinfo.is_some() {
                if !self.host.is_empty() || !self.path.is_empty() || self.userinfo.is_some() {
                    out.extend_from_slice(b"//");
                }
                if let Some(userinfo) = &self.userinfo {
                    out.extend_from_slice(userinfo);
                    out.push(b'@');
                }
                out.extend(escape(&self.host, Part::Host));
            }
            let path = if self.path == b"*" { b"*".to_vec() } else { escape(&self.path, Part::Path) };
            if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
                out.push(b'/');
            }
            if out.is_empty() && split_at(&path, b'/').0.contains(&b':') {
                out.extend_from_slice(b"./");
            }
            out.extend(path);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Part::Fragment));
        }
        out
    }
}

fn join(parts: &Map) -> Result<Vec<u8>> {
    let part = |name: &str| -> Result<Vec<u8>> {
        match parts.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Str(text)) => Ok(text.to_vec()),
            Some(value) if value.kind() == Kind::Invalid => Err(nil_dereference()),
            Some(value) => Err(FnError::new(format!(
                "unable to parse {name} key, must be of type string, but {} found",
                value.kind().name()
            ))),
        }
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let probe = [b"proto://", userinfo.as_slice(), b"@host"].concat();
        let probe =
            Url::parse(&probe).map_err(|e| FnError::new(format!("unable to parse userinfo in dict: {e}")))?;
        url.userinfo = probe.userinfo;
    }
    Ok(url.write())
}

fn split_at(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|b| *b == mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn split_scheme(text: &[u8]) -> Parsed<(&[u8], &[u8])> {
    for (i, b) in text.iter().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => return Ok((b"", text)),
        }
    }
    Ok((b"", text))
}

/// Colons may stand in a host, as lists of hosts with ports have them, but for HTTP.
fn parse_host(scheme: &[u8], host: &[u8]) -> Parsed<Vec<u8>> {
    match host.iter().rposition(|b| *b == b'[') {
        Some(0) => return parse_ip_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    let is_strict = matches!(scheme, b"http" | b"https");
    let colon =
        if is_strict { host.iter().position(|b| *b == b':') } else { host.iter().rposition(|b| *b == b':') };
    if let Some(colon) = colon {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host)
}

/// `[fe80::1%25en0]:80`
fn parse_ip_literal(host: &[u8]) -> Parsed<Vec<u8>> {
    let Some(end) = host.iter().rposition(|b| *b == b']') else {
        return Err("missing ']' in host".to_owned());
    };
    let (literal, port) = (&host[1..end], &host[end + 1..]);
    check_port(port)?;
    let zone = literal.windows(3).position(|w| w == b"%25").unwrap_or(literal.len());
    let address = unescape(&literal[..zone], Part::Host)?;
    let zone = unescape(&literal[zone..], Part::Zone)?;
    let text = String::from_utf8_lossy(&address);
    if text.parse::<std::net::Ipv6Addr>().is_err() {
        if text.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err("invalid IP-literal".to_owned());
        }
        return Err(format!("invalid host: ParseAddr({}): unable to parse IP", quote(&address)));
    }
    Ok([b"[", address.as_slice(), &zone, b"]", port].concat())
}

fn check_port(port: &[u8]) -> Parsed<()> {
    let is_port = port.is_empty() || (port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit));
    if is_port { Ok(()) } else { Err(format!("invalid port {} after host", quote(port))) }
}

fn hostname(host: &[u8]) -> &[u8] {
    let without_port = match host.iter().rposition(|b| *b == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    };
    match without_port {
        [b'[', inner @ .., b']'] => inner,
        other => other,
    }
}

fn must_escape(b: u8, part: Part) -> bool {
    if b.is_ascii_alphanumeric() {
        return false;
    }
    if matches!(part, Part::Host | Part::Zone) && b"!$&'()*+,;=:[]<>\"".contains(&b) {
        return false;
    }
    match b {
        b'-' | b'_' | b'.' | b'~' => false,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => b == b'?',
            Part::User => matches!(b, b'@' | b'/' | b'?' | b':'),
            Part::Fragment => false,
            Part::Host | Part::Zone => true,
        },
        b'!' | b'(' | b')' | b'*' if part == Part::Fragment => false,
        _ => true,
    }
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for b in text {
        if must_escape(*b, part) {
            out.extend_from_slice(format!("%{b:02X}").as_bytes());
        } else {
            out.push(*b);
        }
    }
    out
}

fn unescape(text: &[u8], part: Part) -> Parsed<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((b, after)) = rest.split_first() {
        if *b == b'%' {
            let digit = |i: usize| rest.get(i).and_then(|b| char::from(*b).to_digit(16));
            let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                let shown = &rest[..rest.len().min(3)];
                return Err(format!("invalid URL escape {}", quote(shown)));
            };
            let decoded = (high * 16 + low) as u8;
            let is_refused = match part {
                // Only what is not ASCII may be escaped in a host, and `%25` before a zone.
                Part::Host => high < 8 && &rest[..3] != b"%25",
                Part::Zone => &rest[..3] != b"%25" && decoded != b' ' && must_escape(decoded, Part::Host),
                _ => false,
            };
            if is_refused {
                return Err(format!("invalid URL escape {}", quote(&rest[..3])));
            }
            out.push(decoded);
            rest = &rest[3..];
            continue;
        }
        if matches!(part, Part::Host | Part::Zone) && b.is_ascii() && must_escape(*b, part) {
            return Err(format!("invalid character {} in host name", quote(&rest[..1])));
        }
        out.push(*b);
        rest = after;
    }
    Ok(out)
}
