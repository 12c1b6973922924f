//! Whole sessions: the lines after `> ` in each file of `sessions/` are typed, and the answers compared with the file.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

#[path = "../../language/tests/bar/mod.rs"]
mod bar;

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use bar::{Folder, REGISTRY, expect, rehearsal};
use opsrun_language::complete;
use opsrun_repl::{Editor, Knowledge, Line, Pipe, Repl};

/// What is typed and what is answered, in one text.
#[derive(Clone, Default)]
struct Screen(Rc<RefCell<String>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Typed {
    lines: std::vec::IntoIter<String>,
    screen: Screen,
}

impl Editor for Typed {
    fn read(&mut self, prompt: &str, knowledge: &Knowledge) -> io::Result<Line> {
        let mut text = String::new();
        for line in self.lines.by_ref() {
            if line == "^C" {
                return Ok(Line::Interrupted);
            }
            let prompt = if text.is_empty() { prompt } else { "| " };
            writeln!(self.screen, "{prompt}{line}")?;
            text.push_str(&line);
            text.push('\n');
            if !knowledge.is_incomplete(&text) {
                return Ok(Line::Text(text));
            }
        }
        Ok(Line::End)
    }
}

/// The transcript of typing `lines`, with the events of the run at its end.
fn converse(lines: Vec<String>) -> String {
    let (run, told, estate) = rehearsal(&[]);
    let mut text = String::new();
    run.execute("test".into(), |branch| {
        let screen = Screen::default();
        let mut typed = Typed { lines: lines.into_iter(), screen: screen.clone() };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../language/tests/playbooks");
        let result =
            Repl::new(branch, "", Box::new(Folder(folder)), &mut screen.clone(), 100).run(&mut typed);
        text = screen.0.take();
        result
    })
    .unwrap();
    text.push_str("---\n");
    text.extend(told.lines().into_iter().map(|line| line + "\n"));
    for (name, value) in estate.snapshot() {
        text.push_str(&format!("estate: {name} = {value}\n"));
    }
    text
}

#[test]
fn every_session_goes_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        count += 1;
        let typed = std::fs::read_to_string(&path).unwrap();
        let lines = typed.lines().take_while(|line| *line != "---").filter_map(|line| {
            let prompted = line.split_once("> ").filter(|(target, _)| {
                target.is_empty() || *target == "annex" || target.ends_with("(writes)")
            });
            prompted.map(|(_, line)| line).or_else(|| line.strip_prefix("| ")).map(str::to_owned)
        });
        wrong.extend(expect(&path, &converse(lines.collect())).err());
    }
    assert!(count > 0 && wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_session_can_come_from_a_pipe() {
    let (run, ..) = rehearsal(&[]);
    let mut out = Vec::new();
    run.execute("test".into(), |branch| {
        let input = "let n = [\n  1,\n  2,\n];\n\nn.len()\n:quit\nnever\n";
        Repl::new(branch, "", Box::new(Folder(".".into())), &mut out, 80).run(&mut Pipe(input.as_bytes()))
    })
    .unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "2\n");
}

#[test]
fn completion_knows_the_place() {
    let names = ["guests", "serving::", "serving::pour_all"].map(str::to_owned);
    for (text, expected) in [
        ("ba", "bar::"),
        ("bar::", "count mix pour rest"),
        ("let x = bar::po", "pour"),
        ("bar::pour(\"window\", 1, #{ ", "bill garnish within"),
        ("bar::pour(\"window\", 1, #{ within: 5.m, g", "garnish"),
        ("bar::pour(\"window\", 1, #{ within: ", ""),
        ("step(\"x\", #{ ", "undo within"),
        ("retry(#{ times: 3, ", "backoff every"),
        ("sleep(5.", "GB GiB KiB MB MiB TB TiB d h kB m ms s"),
        ("gue", "guests"),
        ("let within_a = 1; with", "within_a"),
        ("\"ba", ""),
        ("// ba", ""),
        ("[1].jo", "join"),
        ("serv", "serving::"),
        ("serving::", "pour_all"),
    ] {
        let (start, found) = complete(text, text.len(), REGISTRY, &names);
        let mut words: Vec<_> = found.iter().map(|completion| completion.text.as_str()).collect();
        if text.ends_with("within: ") {
            // A value: any name may stand here, and no option.
            words.retain(|word| ["garnish", "bill"].contains(word));
        }
        assert_eq!(words.join(" "), expected, "{text}");
        assert!(text.is_char_boundary(start), "{text}");
    }
}
