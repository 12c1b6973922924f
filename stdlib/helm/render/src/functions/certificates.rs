//! Private keys and X.509 certificates, as Sprig makes them with Go's `crypto/x509`; drawn from the render's generator, so
//! that the same seed gives the same keys.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use gotemplate::{FnError, Function, Functions, Kind, LIST, Object, Type, Value};
use jiff::{SignedDuration, Timestamp};
use rand::RngCore;

use super::args::{Result, display, int, text, utf8};
use super::keys::PrivateKey;
use super::x509::{self, Subject};
use super::{FunctionEnv, SharedRng, base};

const CERTIFICATE: Type = Type::Named("sprig.certificate", Kind::Struct);
const BITS: u32 = 2048;

pub(super) fn add(functions: &mut Functions, env: &FunctionEnv) {
    use Type::{Int, String as Text};
    let maker = Arc::new(Maker { rng: env.rng.clone(), now: env.now });
    let mut set = |name: &str, params: &[Type], body: fn(&Maker, &[Value]) -> Result| {
        let maker = maker.clone();
        functions.set(name, Function::new(params, move |_, a| body(&maker, a)));
    };
    set("genPrivateKey", &[Text], |maker, a| Ok(maker.private_key(&utf8(a, 0)).into()));
    set("buildCustomCert", &[Text, Text], |_, a| build_custom(text(a, 0), text(a, 1)));
    set("genCA", &[Text, Int], |maker, a| maker.authority(a, &maker.rsa()?));
    set("genCAWithKey", &[Text, Int, Text], |maker, a| maker.authority(a, &given_key(a, 2)?));
    set("genSelfSignedCert", &[Text, LIST, LIST, Int], |maker, a| maker.self_signed(a, &maker.rsa()?));
    set("genSelfSignedCertWithKey", &[Text, LIST, LIST, Int, Text], |maker, a| {
        maker.self_signed(a, &given_key(a, 4)?)
    });
    set("genSignedCert", &[Text, LIST, LIST, Int, CERTIFICATE], |maker, a| maker.signed(a, &maker.rsa()?));
    set("genSignedCertWithKey", &[Text, LIST, LIST, Int, CERTIFICATE, Text], |maker, a| {
        maker.signed(a, &given_key(a, 5)?)
    });
}

struct Maker {
    rng: SharedRng,
    now: Timestamp,
}

impl Maker {
    fn private_key(&self, kind: &str) -> String {
        let key = match kind {
            "" | "rsa" => PrivateKey::rsa(&mut self.rng.lock(), 2 * BITS),
            "ecdsa" => Ok(PrivateKey::ecdsa(&mut self.rng.lock())),
            "ed25519" => Ok(PrivateKey::ed25519(&mut self.rng.lock())),
            "dsa" => Err("DSA keys are not supported".to_owned()),
            _ => return format!("Unknown type {kind}"),
        };
        match key.and_then(|key| key.to_pem()) {
            Ok(pem) => pem,
            Err(e) => format!("failed to generate private key: {e}"),
        }
    }

    fn rsa(&self) -> Result<PrivateKey> {
        PrivateKey::rsa(&mut self.rng.lock(), BITS)
            .map_err(|e| FnError::new(format!("error generating rsa key: {e}")))
    }

    fn authority(&self, args: &[Value], key: &PrivateKey) -> Result {
        let subject = self.subject(&utf8(args, 0), None, None, int(args, 1))?;
        let certificate = x509::self_signed(&Subject { is_authority: true, ..subject }, key);
        issued(certificate, key)
    }

    fn self_signed(&self, args: &[Value], key: &PrivateKey) -> Result {
        let subject = self.subject(&utf8(args, 0), Some(&args[1]), Some(&args[2]), int(args, 3))?;
        issued(x509::self_signed(&subject, key), key)
    }

    fn signed(&self, args: &[Value], key: &PrivateKey) -> Result {
        let subject = self.subject(&utf8(args, 0), Some(&args[1]), Some(&args[2]), int(args, 3))?;
        let Some(authority) = args[4].downcast::<Certificate>() else {
            return Err(FnError::new("unable to decode certificate"));
        };
        let Some(issuer) = x509::pem_content(&authority.cert, "CERTIFICATE") else {
            return Err(FnError::new("unable to decode certificate"));
        };
        let signer = PrivateKey::from_pem(&authority.key)
            .map_err(|e| FnError::new(format!("error parsing private key: {e}")))?;
        issued(x509::signed(&subject, key, &issuer, &signer), key)
    }

    fn subject(&self, name: &str, ips: Option<&Value>, dns: Option<&Value>, days: i64) -> Result<Subject> {
        let mut serial = [0; 16];
        self.rng.lock().fill_bytes(&mut serial);
        let lifetime = SignedDuration::from_hours(days.clamp(-100_000, 100_000) * 24);
        Ok(Subject {
            common_name: name.to_owned(),
            ips: addresses(ips)?,
            dns_names: names(dns)?,
            not_before: self.now,
            not_after: self.now.saturating_add(lifetime).unwrap_or(self.now),
            serial,
            is_authority: false,
        })
    }
}

fn given_key(args: &[Value], i: usize) -> Result<PrivateKey> {
    PrivateKey::from_pem(&utf8(args, i)).map_err(|e| FnError::new(format!("parsing private key: {e}")))
}

fn issued(certificate: std::result::Result<String, String>, key: &PrivateKey) -> Result {
    let cert = certificate.map_err(|e| FnError::new(format!("error creating certificate: {e}")))?;
    let key = key.to_pem().map_err(|e| FnError::new(format!("error pem-encoding key: {e}")))?;
    Ok(Value::object(Certificate { cert, key }))
}

fn build_custom(cert: &[u8], key: &[u8]) -> Result {
    let decode = |data: &[u8], what: &str| {
        let bytes =
            base::decode_64(data).map_err(|_| FnError::new(format!("unable to decode base64 {what}")))?;
        Ok::<_, FnError>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let cert = decode(cert, "certificate")?;
    let key = decode(key, "private key")?;
    let Some(der) = x509::pem_content(&cert, "") else {
        return Err(FnError::new("unable to decode certificate"));
    };
    x509::check(&der)
        .map_err(|e| FnError::new(format!("error parsing certificate: decodedCert.Bytes: {e}")))?;
    PrivateKey::from_pem(&key).map_err(|e| FnError::new(format!("error parsing private key: {e}")))?;
    Ok(Value::object(Certificate { cert, key }))
}

fn addresses(ips: Option<&Value>) -> Result<Vec<IpAddr>> {
    let parse = |ip: &Value| match ip.as_str() {
        None => {
            let shown = String::from_utf8_lossy(&display(ip)).into_owned();
            Err(FnError::new(format!("error parsing ip: {shown} is not a string")))
        }
        Some(ip) => {
            let ip = ip.to_text();
            ip.parse().map_err(|_| FnError::new(format!("error parsing ip: {ip}")))
        }
    };
    ips.and_then(super::args::slice).map_or(Ok(Vec::new()), |ips| ips.iter().map(parse).collect())
}

fn names(dns: Option<&Value>) -> Result<Vec<String>> {
    let parse = |name: &Value| match name.as_str() {
        Some(name) => Ok(name.to_text().into_owned()),
        None => {
            let shown = String::from_utf8_lossy(&display(name)).into_owned();
            Err(FnError::new(format!("error processing alternate dns name: {shown} is not a string")))
        }
    };
    dns.and_then(super::args::slice).map_or(Ok(Vec::new()), |dns| dns.iter().map(parse).collect())
}

/// Sprig's `certificate`: both parts as PEM.
#[derive(Debug)]
struct Certificate {
    cert: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::str(&self.cert)),
            "Key" => Some(Value::str(&self.key)),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Cert", Value::str(&self.cert)), ("Key", Value::str(&self.key))]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
