//! Where a database is: an address such as `postgres://app@db.example:5432/orders`, read for both systems alike.

use opsrun_core::{Error, Result};
use percent_encoding::percent_decode_str;

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    /// With brackets, of IPv6.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// What stands behind the first `/`; `None` if nothing does.
    pub(crate) database: Option<String>,
}

impl Address {
    /// Reads an address of one of these schemes; `example` is how one looks.
    ///
    /// # Errors
    /// `Invalid` for what is none, and for one with a password in it; the password is not told.
    pub(crate) fn parse(text: &str, schemes: &[&str], example: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (authority, database) = match rest.split_once('/') {
            Some((authority, database)) => (authority, Some(database)),
            None => (rest, None),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(Error::invalid(format!("the address of `{place}` has a password in it")).hint(
                "name the password by a reference beside the address: `password = \"env:NAME\"`, `\"file:PATH\"`, `\"vault:PATH#KEY\"` …",
            ));
        }
        let bad = |why: &str| {
            Err(Error::invalid(format!("`{text}` is no address: {why}"))
                .hint(format!("write it like `{example}`")))
        };
        if !schemes.contains(&scheme) {
            let begins: Vec<_> = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect();
            return bad(&format!("it begins with {}", begins.join(" or ")));
        }
        if text.contains(['?', '#']) {
            return bad("options are keys of the target's section, and not part of the address");
        }
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
                Ok(port) => (host, Some(port)),
                Err(_) => return bad(&format!("`{port}` is no port")),
            },
            _ => (place, None),
        };
        let is_host = host.parse::<http::uri::Authority>().is_ok_and(|authority| authority.host() == host);
        if !is_host {
            return bad("it names no host");
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let (user, database) = (user.map(decoded).transpose(), database.map(decoded).transpose());
        let (Ok(user), Ok(database)) = (user, database) else {
            return bad("what is encoded in it is no UTF-8");
        };
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (scheme, host) = (scheme.to_owned(), host.to_owned());
        Ok(Address { scheme, user: named(user), host, port, database: named(database) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address> {
        Address::parse(text, &["postgres", "postgresql"], "postgres://app@db.example:5432/orders")
    }

    #[test]
    fn an_address_names_user_host_port_and_database() {
        let whole = parse("postgres://app%40corp@db.example:5433/or%2Fders").expect("it is one");
        assert_eq!(
            (whole.user.as_deref(), whole.host.as_str(), whole.port, whole.database.as_deref()),
            (Some("app@corp"), "db.example", Some(5433), Some("or/ders"))
        );
        let short = parse("postgresql://[::1]").expect("it is one");
        assert_eq!(
            (short.user, short.host.as_str(), short.port, short.database),
            (None, "[::1]", None, None)
        );
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_told() {
        let error = parse("postgres://app:hunter2@db.example/orders").expect_err("it has one").report();
        assert!(error.contains("has a password in it") && error.contains("env:NAME"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_no_address_says_why_and_how_to_write_it() {
        for (text, why) in [
            ("db.example", "begins with `postgres://` or"),
            ("mysql://db.example/a", "begins with"),
            ("postgres://db.example:sql/a", "`sql` is no port"),
            ("postgres:///orders", "names no host"),
            ("postgres://db.example/a?sslmode=require", "options are keys"),
        ] {
            let error = parse(text).expect_err(text).report();
            assert!(error.contains(why) && error.contains("write it like"), "{error}");
        }
    }
}
