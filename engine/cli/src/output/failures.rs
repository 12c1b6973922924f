//! What became of a playbook whose writes failed: a table for people, one JSON object for programs.

use opsrun_runtime::{Case, FailAt, Failure, Killed, Write};
use serde_json::json;

/// All of it.
pub(crate) struct Report<'r> {
    /// What was rehearsed, where.
    pub subject: String,
    pub writes: &'r [Write],
    /// In the order of the writes.
    pub cases: &'r [Case],
    /// The command that shows a case.
    pub again: &'r dyn Fn(FailAt) -> String,
}

/// A column: its heading, and the failures that it tells of.
const COLUMNS: [(&str, &[Failure]); 7] = [
    ("refused", &[Failure::Refused]),
    ("lost", &[Failure::Lost]),
    ("lost-answer", &[Failure::AnswerLost]),
    ("slow", &[Failure::Slow]),
    ("before", &[Failure::Resumed(Killed::Before), Failure::TakenBack(Killed::Before)]),
    ("unsent", &[Failure::Resumed(Killed::Unsent), Failure::TakenBack(Killed::Unsent)]),
    ("answered", &[Failure::Resumed(Killed::Answered), Failure::TakenBack(Killed::Answered)]),
];

const LEGEND: &str = "\
same: it ended as an undisturbed run does · undone, failed: it failed, and the estate is as it was · killed before the write was
in the journal, before it was sent, after it was answered: resumed, it ended as an undisturbed run does; undone, the estate is
as it was
";

impl Report<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = format!("failing {}\n", self.subject);
        self.table(&mut text);
        for case in self.cases.iter().filter(|case| !case.held()) {
            let access =
                self.writes.iter().find(|write| write.number == case.at.write).map(|write| &write.access);
            let access = access.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!(
                "\nwrite {}, {access}: {}: {}\n",
                case.at.write, case.at.failure, case.ended
            ));
            for wrong in &case.wrong {
                text.push_str(&format!("  {}\n", wrong.replace('\n', "\n  ")));
            }
            text.push_str(&format!("  see it: {}\n", (self.again)(case.at)));
        }
        text.push_str(&format!("\n{}\n", self.summary()));
        text
    }

    pub(crate) fn json(&self) -> String {
        let case = |case: &Case| {
            json!({
                "write": case.at.write,
                "failure": case.at.failure.word(),
                "ended": case.ended,
                "held": case.held(),
                "wrong": case.wrong,
                "again": (self.again)(case.at),
            })
        };
        let write = |write: &Write| json!({ "write": write.number, "access": write.access, "primitive": write.primitive, "step": write.step });
        let report = json!({
            "event": "failures",
            "subject": self.subject,
            "writes": self.writes.iter().map(write).collect::<Vec<_>>(),
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
            "held": self.cases.iter().all(Case::held),
            "text": self.summary(),
        });
        format!("{report}\n")
    }

    fn table(&self, text: &mut String) {
        if self.writes.is_empty() {
            return;
        }
        let widths = COLUMNS.map(|(heading, _)| heading.len().max(6) + 2);
        let accesses: Vec<String> = self.writes.iter().map(|write| write.access.to_string()).collect();
        let width = accesses.iter().map(|access| access.chars().count()).max().unwrap_or_default();
        let margin = " ".repeat(6 + width);
        text.push_str(&format!("\n{margin}{:1$}killed\n", "", widths[..4].iter().sum::<usize>() + 2));
        let headings =
            COLUMNS.iter().zip(widths).map(|((heading, _), width)| format!("  {heading:0$}", width - 2));
        text.push_str(format!("{margin}{}", headings.collect::<String>()).trim_end());
        text.push('\n');
        let mut place = String::new();
        for (write, access) in self.writes.iter().zip(accesses) {
            let here = match write.step.is_empty() {
                true => write.primitive.clone(),
                false => format!("{} in {}", write.primitive, write.step),
            };
            if here != place {
                text.push_str(&format!("{here}\n"));
                place = here;
            }
            let cells = COLUMNS.iter().zip(widths).map(|((_, failures), width)| {
                format!("  {:1$}", self.cell(write.number, failures), width - 2)
            });
            let line = format!("{:>4}  {access:width$}{}", write.number, cells.collect::<String>());
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push_str(&format!("\n{LEGEND}"));
    }

    /// What became of a write's failures, in a word.
    fn cell(&self, write: u64, failures: &[Failure]) -> &'static str {
        let of = |failure: &Failure| {
            let at = FailAt { write, failure: *failure };
            self.cases.iter().find(|case| case.at == at)
        };
        let cases: Vec<&Case> = failures.iter().filter_map(of).collect();
        match cases.as_slice() {
            [] => "-",
            cases if !cases.iter().all(|case| case.held()) => "WRONG",
            [case] => case.ended,
            _ => "ok",
        }
    }

    fn summary(&self) -> String {
        let (all, held) = (self.cases.len(), self.cases.iter().filter(|case| case.held()).count());
        let writes = format!("{all} failures of {} writes", self.writes.len());
        match all - held {
            0 => format!("{writes}: all is well after each"),
            wrong => format!("{writes}: {held} are well, {wrong} are WRONG"),
        }
    }
}
