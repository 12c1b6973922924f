//! `opsrun grants PLAYBOOK`: what a playbook has to be allowed, found out by rehearsing it.

use std::path::PathBuf;
use std::sync::Arc;

use opsrun_core::{Error, Grantee, Need, Policy, Result, Target};
use opsrun_gate::FaultRule;
use opsrun_language::Playbook;
use opsrun_runtime::{Inquiry, Launch, Needs, Rehearsal, own_grants};

use super::rehearse::set_up;
use super::run::named;
use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Grants {
    /// The playbook, a file that ends in `.rhai`.
    playbook: PathBuf,
    /// An estate file to rehearse on; the project's, if none is named. Several: what is needed on any of them. On the first one
    /// it has to go well; another may show what it asks for when it fails.
    #[arg(long, value_name = "FILE")]
    estate: Vec<PathBuf>,
    /// The first of the two seeds that it is rehearsed with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often it is run on an estate, one run after the other: what comes only after a while needs more.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// A fault to rehearse with, too, as `opsrun rehearse` has it. The last write of each step fails by itself.
    #[arg(long, value_name = "RULE")]
    fault: Vec<FaultRule>,
    /// The target of `opsrun.toml` that it is to run on.
    #[arg(long)]
    target: Option<String>,
    /// `opsrun`: lines for `opsrun.toml`. Else rules of a system's own access control: `rbac`.
    #[arg(long, default_value = OWN)]
    format: String,
    /// Whom those rules allow it, in that system's words: `serviceaccount:NAMESPACE/NAME`.
    #[arg(long)]
    subject: Option<String>,
}

const OWN: &str = "opsrun";

impl Grants {
    pub(crate) fn carry_out(
        &self,
        program: &Program,
        playbook: Option<Arc<Playbook>>,
        given: &[(String, String)],
    ) -> Result<u8> {
        let (playbook, arguments, mut launch) = named(program, &self.playbook, playbook, given)?;
        launch.target.clone_from(&self.target);
        self.known_format(&launch)?;
        let files = match self.estate.as_slice() {
            [] => vec![launch.estate_file(None)?],
            named => named.iter().map(|path| launch.estate_file(Some(path))).collect::<Result<_>>()?,
        };
        let needs = Inquiry {
            start: &|estate, seed| {
                let rehearsal = Rehearsal::start(launch.clone(), &files[estate], seed)?;
                set_up(program, &rehearsal, &files[estate])?;
                Ok(rehearsal)
            },
            run: &|run| Ok(opsrun_language::run(&playbook, &arguments, run)?.outcome),
            estates: files.len(),
            seed: self.seed,
            times: self.times,
            faults: self.fault.clone(),
        };
        let needs = needs.carry_out()?;
        let text = match self.format.as_str() {
            OWN => self.own(&launch, &needs),
            form => self.policies(&launch, &needs, form)?,
        };
        print(&launch.redactor.apply(&text))?;
        Ok(0)
    }

    /// # Errors
    /// `Invalid` if no system has rules of this form.
    fn known_format(&self, launch: &Launch) -> Result<()> {
        let (mut known, target) = (vec![OWN], Target::default());
        let grantee = Grantee { name: OWN, target: &target, subject: self.subject.as_deref() };
        for system in launch.registry.systems() {
            known.extend(system.policies(&[], &grantee)?.iter().map(|policy| policy.form));
        }
        match known.contains(&self.format.as_str()) {
            true => Ok(()),
            false => Err(Error::invalid(format!("there are no rules of the form `{}`", self.format))
                .hint(format!("the forms are `{}`", known.join("`, `")))),
        }
    }

    fn own(&self, launch: &Launch, needs: &Needs) -> String {
        let mut text = format!(
            "# What {} asked for in {} rehearsals; `opsrun grants` found it out.\n",
            self.playbook.display(),
            needs.rehearsals
        );
        for (target, needs) in &needs.targets {
            if !target.is_empty() {
                text.push_str(&format!("[targets.{target}]\n"));
            }
            text.push_str("grants = [\n");
            for grant in own_grants(needs, &|text| launch.redactor.apply(text).into_owned()) {
                text.push_str(&format!("    {grant:?},\n"));
            }
            text.push_str("]\n");
        }
        text
    }

    fn policies(&self, launch: &Launch, needs: &Needs, form: &str) -> Result<String> {
        let targets = launch.project.targets(launch.registry)?;
        let stem = self.playbook.file_stem().unwrap_or_default().to_string_lossy();
        let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let rules: String = "opsrun-".chars().chain(stem.chars().map(letters)).collect();
        let mut text = String::new();
        for (name, needs) in &needs.targets {
            let target = targets.get(name).cloned().unwrap_or_default();
            let grantee = Grantee { name: &rules, target: &target, subject: self.subject.as_deref() };
            for system in launch.registry.systems() {
                let own: Vec<Need> =
                    needs.iter().filter(|need| need.access.system == system.name()).cloned().collect();
                let policies = system.policies(&own, &grantee)?;
                for Policy { text: policy, .. } in policies.into_iter().filter(|policy| policy.form == form) {
                    text.push_str(&policy);
                }
            }
        }
        Ok(text)
    }
}
