//! The secrets that a run has named: what stands for them in the playbook, and their values, each read once and at the latest
//! moment. It reads the environment, files and programs itself; every other scheme is a system's.

use std::path::Path;
use std::sync::{Arc, Mutex};

use opsrun_core::{
    Access, BoxFuture, Call, Cx, Effect, Error, ErrorKind, Marker, Markers, Note, Program, Result,
    SecretScheme, SecretText, Target, Value, glob,
};
use opsrun_gate::Reply;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::sync::OnceCell;

use crate::branch::Branch;
use crate::journal::Entry;
use crate::run::{Registry, Run, locked};
use crate::seal::Sealer;
use crate::world::World;

/// What a reference can begin with, and how it is written in full.
const OWN: [(&str, &str); 3] =
    [("env", "env:NAME"), ("file", "file:PATH"), ("command", "command:PROGRAM ARGUMENTS")];
/// A parameter that was given as it is. No playbook can name one.
const PARAMETER: &str = "param";
/// The call that a secret is read by.
const CALL: &str = "secret";
/// In bytes. What is larger is no secret, but data.
const LARGEST: usize = 1 << 20;

/// The secrets of a run.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) markers: Markers,
    named: Mutex<Vec<Arc<Named>>>,
    /// Those that sections of targets name. No text stands for them.
    configured: Mutex<Vec<Arc<Named>>>,
    tags: Mutex<Option<ChaCha12Rng>>,
}

/// A secret that was named on a target, where it is read.
struct Named {
    marker: Marker,
    target: Arc<Target>,
    value: OnceCell<SecretText>,
}

/// A secret that a run named before it broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub reference: String,
    pub target: String,
    pub tag: String,
}

/// Whether `reference` can name a secret.
///
/// # Errors
/// `Invalid`, with how it is written.
pub fn check_reference(registry: Registry, reference: &str) -> Result<()> {
    let forms = forms(registry);
    let (scheme, rest) = reference.split_once(':').unwrap_or((reference, ""));
    let hint = match forms.iter().find(|(name, _)| *name == scheme) {
        None => {
            let forms: Vec<&str> = forms.iter().map(|(_, form)| *form).collect();
            format!("a secret is named in one of the forms `{}`", forms.join("`, `"))
        }
        Some((_, form)) => {
            let is_whole = offered(registry, scheme).is_none_or(|offered| (offered.is_whole)(rest));
            if is_whole && !rest.trim().is_empty() && !reference.contains(char::is_control) {
                return Ok(());
            }
            format!("it is written `{form}`")
        }
    };
    Err(Error::invalid(format!("`{reference}` names no secret")).hint(hint))
}

/// Whether the text begins as a reference does: then it is none of the values that people give themselves.
pub fn is_reference(registry: Registry, text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| forms(registry).iter().any(|(name, _)| *name == scheme))
}

fn forms(registry: Registry) -> Vec<(&'static str, &'static str)> {
    let systems = registry.systems().iter().flat_map(|system| system.secrets());
    OWN.into_iter().chain(systems.map(|scheme| (scheme.scheme, scheme.form))).collect()
}

fn offered(registry: Registry, scheme: &str) -> Option<&'static SecretScheme> {
    registry.systems().iter().flat_map(|system| system.secrets()).find(|offered| offered.scheme == scheme)
}

/// What reading a secret asks for. Of a command, the program alone: an access has no blanks.
fn access(reference: &str) -> Access {
    Access {
        system: "secret".into(),
        verb: "read".into(),
        resource: reference.split_whitespace().next().unwrap_or_default().to_owned(),
        name: None,
        namespace: None,
        effect: Effect::Read,
    }
}

impl Branch {
    /// The text that stands for a secret: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS`, or a system's. It is not read yet,
    /// but whether it may be is asked.
    ///
    /// # Errors
    /// `Invalid` for what is no reference; `Denied` without the grant `secret read REFERENCE`.
    pub fn secret(&self, reference: &str) -> Result<String> {
        let reference = reference.trim();
        let run = self.run();
        check_reference(run.registry(), reference)?;
        run.gate().permit(run.reading(CALL, self.target()).call(), &access(reference))?;
        self.name_secret(reference, None)
    }

    /// The text that stands for what the user gave for the parameter `name`.
    ///
    /// # Errors
    /// `Failed` if the journal cannot be written.
    pub fn secret_parameter(&self, name: &str, value: &str) -> Result<String> {
        let reference = format!("{PARAMETER}:{name}");
        self.run().redactor().hide(&reference, value);
        self.name_secret(&reference, Some(value))
    }

    fn name_secret(&self, reference: &str, value: Option<&str>) -> Result<String> {
        let (run, target) = (self.run(), self.target());
        let mut named = locked(&run.secrets.named);
        let same =
            |named: &&Arc<Named>| named.marker.reference == reference && named.target.name == target.name;
        if let Some(named) = named.iter().find(same) {
            return Ok(named.marker.to_string());
        }
        let earlier = run.setup.past.secrets.iter();
        let earlier =
            earlier.rev().find(|earlier| earlier.reference == reference && earlier.target == target.name);
        let tag = match earlier {
            Some(earlier) => earlier.tag.clone(),
            None => {
                let tag = run.secrets.tag(run.setup.seed);
                let entry = Entry::SecretNamed {
                    secret: reference.to_owned(),
                    target: target.name.clone(),
                    tag: tag.clone(),
                };
                self.record(entry, false)?;
                tag
            }
        };
        let marker = Marker { reference: reference.to_owned(), tag };
        let text = marker.to_string();
        run.secrets.markers.add(marker.clone());
        let value = OnceCell::new_with(value.map(|value| SecretText::from(value.to_owned())));
        named.push(Arc::new(Named { marker, target, value }));
        Ok(text)
    }
}

impl Secrets {
    /// From a stream of its own: the names that a seed decides stay what they are.
    fn tag(&self, seed: u64) -> String {
        let mut tags = locked(&self.tags);
        let tags =
            tags.get_or_insert_with(|| ChaCha12Rng::seed_from_u64(seed ^ u64::from_be_bytes(*b"secrets.")));
        format!("{:016x}", tags.next_u64())
    }
}

impl Run {
    /// Hides what the user gave for the parameter `name`, and says what the journal may have of it: the value, sealed.
    ///
    /// # Errors
    /// `Failed` if it cannot be sealed.
    pub fn hide_parameter(&self, name: &str, value: &str) -> Result<Value> {
        let reference = format!("{PARAMETER}:{name}");
        self.setup.redactor.hide(&reference, value);
        match self.setup.world {
            World::Live(_) => self.setup.sealer.seal(&value.into()).map(Value::String),
            World::Simulated(_) => Ok(format!("‹{reference}›").into()),
        }
    }

    /// What the user gave for a parameter, of what a journal has of it.
    ///
    /// # Errors
    /// `Denied` if it was sealed with another key.
    pub fn parameter(&self, recorded: &str) -> Result<Value> {
        match Sealer::is_sealed(recorded) {
            true => self.setup.sealer.open(recorded),
            false => Ok(recorded.into()),
        }
    }

    async fn read_secret(self: Arc<Self>, call: Arc<Call>, marker: Marker) -> Result<SecretText> {
        let named = locked(&self.secrets.named).iter().find(|named| named.marker == marker).cloned();
        let named = named
            .ok_or_else(|| Error::invalid(format!("the secret `{}` was not named", marker.reference)))?;
        self.read_once(&call, &named).await
    }

    async fn read_configured(self: Arc<Self>, call: Arc<Call>, reference: String) -> Result<SecretText> {
        check_reference(self.registry(), &reference)?;
        let named = {
            let mut configured = locked(&self.secrets.configured);
            let same = |named: &&Arc<Named>| {
                named.marker.reference == reference && named.target.name == call.target.name
            };
            let known = configured.iter().find(same).cloned();
            known.unwrap_or_else(|| {
                let marker = Marker { reference, tag: String::new() };
                let named = Arc::new(Named { marker, target: call.target.clone(), value: OnceCell::new() });
                configured.push(named.clone());
                named
            })
        };
        self.read_once(&call, &named).await
    }

    async fn read_once(self: &Arc<Self>, call: &Call, named: &Named) -> Result<SecretText> {
        let run = self;
        let read = named.value.get_or_try_init(|| async move {
            let reference = &named.marker.reference;
            let value = run
                .read(call, named)
                .await
                .map_err(|error| error.context(format!("the secret `{reference}` cannot be read")))?;
            let wrong = |what: &str| Err(Error::invalid(format!("the secret `{reference}` {what}")));
            match value.len() {
                0 => return wrong("is empty"),
                size if size > LARGEST => return wrong("is larger than 1 MiB: that is no secret, but data"),
                _ => {}
            }
            run.setup.redactor.hide(reference, &value);
            Ok(value)
        });
        read.await.cloned()
    }

    async fn read(self: &Arc<Self>, call: &Call, named: &Named) -> Result<SecretText> {
        let reference = named.marker.reference.as_str();
        // It may not write, whatever the call that needs the secret may.
        let cx = self.reading(CALL, named.target.clone());
        let admitted = self.gate().admit(cx.call(), &access(reference), None)?;
        let read = self.read_permitted(cx, call, reference).await;
        let reply = match &read {
            Ok(_) => Reply::Read,
            Err(error) => Reply::Failed(error.report()),
        };
        self.gate().reply(admitted, &reply, None)?;
        read
    }

    async fn read_permitted(self: &Arc<Self>, cx: Cx, call: &Call, reference: &str) -> Result<SecretText> {
        let (scheme, rest) = reference.split_once(':').unwrap_or((reference, ""));
        if let Some(value) = self.estates(reference) {
            return Ok(SecretText::from(value));
        }
        let warned = |why: &str| {
            let text = format!("{why} `{reference}`: a placeholder stands for it");
            opsrun_core::Host::note(&**self, call, Note::Warning(text));
            Ok(SecretText::from(self.placeholder(reference)))
        };
        let is_estate = self.setup.estate_secrets.is_some();
        if let Some(offered) = offered(self.registry(), scheme) {
            return match (offered.read)(cx, rest.to_owned()).await {
                Err(error)
                    if is_estate && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unreachable) =>
                {
                    warned("the estate has no secret")
                }
                read => read.map(SecretText::from),
            };
        }
        if is_estate {
            return Ok(SecretText::from(self.placeholder(reference)));
        }
        match scheme {
            "env" => {
                let value = self.setup.variables.get(rest).cloned();
                value
                    .map(SecretText::from)
                    .ok_or_else(|| Error::not_found(format!("the environment has no variable `{rest}`")))
            }
            "file" => {
                let bytes = self.setup.files.read(self.gate(), cx.call(), Path::new(rest))?;
                one_line(bytes, &format!("`{rest}`"))
            }
            _ if matches!(self.setup.world, World::Simulated(_)) => warned("a plan runs no program for"),
            _ => ask_program(&cx, rest).await,
        }
    }

    /// What the estate file says.
    fn estates(&self, reference: &str) -> Option<String> {
        let given = self.setup.estate_secrets.as_ref()?;
        given.iter().find(|(pattern, _)| glob(pattern, reference)).map(|(_, value)| value.clone())
    }

    /// The same for the same seed.
    fn placeholder(&self, reference: &str) -> String {
        let sum = crc32fast::hash(format!("{} {reference}", self.setup.seed).as_bytes());
        format!("simulated-{reference}-{sum:08x}")
    }
}

async fn ask_program(cx: &Cx, command: &str) -> Result<SecretText> {
    let mut words = command.split_whitespace().map(str::to_owned);
    let name = words.next().unwrap_or_default();
    let program = Program { name: name.clone(), args: words.collect(), ..Program::default() };
    let output = cx.run_program(program, b"").await?;
    if output.code != Some(0) {
        let code = output.code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
        let error = Error::failed(format!("`{name}` ended {code}"));
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(if said.is_empty() { error } else { error.detail(said) });
    }
    one_line(output.stdout, &format!("what `{name}` printed"))
}

/// A text without the line feed that editors and programs put at its end.
fn one_line(bytes: Vec<u8>, what: &str) -> Result<SecretText> {
    let mut text = String::from_utf8(bytes).map_err(|_| Error::invalid(format!("{what} is no text")))?;
    if text.ends_with('\n') {
        text.pop();
        text.truncate(text.strip_suffix('\r').unwrap_or(&text).len());
    }
    Ok(SecretText::from(text))
}

pub(crate) fn boxed(
    run: Arc<Run>,
    call: Arc<Call>,
    marker: Marker,
) -> BoxFuture<'static, Result<SecretText>> {
    Box::pin(run.read_secret(call, marker))
}

pub(crate) fn configured(
    run: Arc<Run>,
    call: Arc<Call>,
    reference: String,
) -> BoxFuture<'static, Result<SecretText>> {
    Box::pin(run.read_configured(call, reference))
}
