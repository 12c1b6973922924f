//! A few programs and a shell of a few words, enough for what probes, jobs and `kubectl exec` commonly run.
//! It plays a command ahead of time: what is printed when, and how it ends. No process, no file system.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::ImageBehaviour;

/// What a command finds around it.
pub struct Environment<'a> {
    pub behaviour: &'a ImageBehaviour,
    pub variables: &'a BTreeMap<String, String>,
    /// The content of files by path: mounted ConfigMaps and Secrets.
    pub files: &'a BTreeMap<String, String>,
    pub now: Timestamp,
    /// The pod's name.
    pub hostname: &'a str,
    pub unknown: Unknown,
}

/// What a program is taken for that is neither built in nor in the estate file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is not there.
    Absent,
    /// It is there, and what it does cannot be told: the whole command is `Played::Unknown`.
    Opaque,
}

/// A command played out.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    /// It is not there: what the runtime says of it.
    NoSuchProgram(String),
    /// It is no program that is known here.
    Unknown,
    /// It copies its input until that ends.
    Copies,
    Ran(Vec<Step>),
}

/// What happens at a time after the start, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Out {
        at: SignedDuration,
        text: String,
    },
    Error {
        at: SignedDuration,
        text: String,
    },
    /// It ends; without this step it runs until it is stopped. `deaf`: it ignores the request to stop.
    Exit {
        at: SignedDuration,
        code: i32,
    },
}

/// Plays `argv`.
pub fn play(argv: &[String], environment: &Environment<'_>) -> Played {
    let Some(program) = argv.first() else { return Played::NoSuchProgram(String::new()) };
    let mut shell = Shell {
        environment,
        variables: environment.variables.clone(),
        at: SignedDuration::ZERO,
        steps: Vec::new(),
        for_ever: false,
    };
    if environment.behaviour.command(&argv.join(" ")).is_none() {
        if environment.behaviour.lacks(program) {
            return Played::NoSuchProgram(program.clone());
        }
        if base(program) == "cat" && argv.len() == 1 {
            return Played::Copies;
        }
    }
    let result = match script(argv) {
        Some((script, arguments)) => shell.script(script, arguments),
        None => shell.program(argv),
    };
    match result {
        Flow::Unknown => Played::Unknown,
        Flow::Next(code) | Flow::Exit(code) => {
            if !shell.for_ever {
                shell.steps.push(Step::Exit { at: shell.at, code });
            }
            Played::Ran(shell.steps)
        }
    }
}

/// The script of `sh -c SCRIPT [NAME ARGUMENTS]`.
fn script(argv: &[String]) -> Option<(&str, &[String])> {
    let shell = matches!(base(argv.first()?), "sh" | "bash" | "ash" | "dash");
    let flag = argv.get(1)?;
    let takes_script = flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('c');
    (shell && takes_script)
        .then(|| (argv.get(2).map_or("", String::as_str), argv.get(4..).unwrap_or_default()))
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next(i32),
    Exit(i32),
    Unknown,
}

struct Shell<'a> {
    environment: &'a Environment<'a>,
    variables: BTreeMap<String, String>,
    at: SignedDuration,
    steps: Vec<Step>,
    for_ever: bool,
}

impl Shell<'_> {
    fn script(&mut self, script: &str, arguments: &[String]) -> Flow {
        for (index, argument) in arguments.iter().enumerate() {
            self.variables.insert((index + 1).to_string(), argument.clone());
        }
        let mut code = 0;
        let mut run_next = true;
        for (command, then) in commands(script) {
            if run_next {
                let words = self.words(&command);
                let flow = match words.first().map(String::as_str) {
                    None => Flow::Next(code),
                    Some(word) if word.starts_with('#') => Flow::Next(code),
                    Some(_) => self.command(&words),
                };
                match flow {
                    Flow::Next(next) => code = next,
                    Flow::Unknown if self.environment.unknown == Unknown::Opaque => return Flow::Unknown,
                    // A shell says so, and goes on.
                    Flow::Unknown => {
                        let name = words.first().map_or("", String::as_str);
                        self.error(&format!("sh: {name}: not found\n"));
                        code = 127;
                    }
                    Flow::Exit(code) => return Flow::Exit(code),
                }
                if self.for_ever {
                    return Flow::Next(code);
                }
            }
            run_next = match then {
                Then::Always => true,
                Then::IfFine => code == 0,
                Then::IfFailed => code != 0,
                Then::Beside => true,
            };
        }
        Flow::Next(code)
    }

    /// One command of a script: assignments, then a built-in word or a program.
    fn command(&mut self, words: &[String]) -> Flow {
        let assignments = words.iter().take_while(|word| assignment(word).is_some()).count();
        for (name, value) in words[..assignments].iter().filter_map(|word| assignment(word)) {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
        let words = &words[assignments..];
        let Some(word) = words.first() else { return Flow::Next(0) };
        match word.as_str() {
            "exit" => Flow::Exit(words.get(1).and_then(|code| code.parse::<i32>().ok()).unwrap_or(0) & 0xff),
            "set" | "trap" | "wait" | "cd" | ":" | "umask" => Flow::Next(0),
            "export" => {
                for (name, value) in words[1..].iter().filter_map(|word| assignment(word)) {
                    self.variables.insert(name.to_owned(), value.to_owned());
                }
                Flow::Next(0)
            }
            "exec" if words.len() > 1 => match self.program(&words[1..]) {
                Flow::Next(code) => Flow::Exit(code),
                other => other,
            },
            _ => self.program(words),
        }
    }

    fn program(&mut self, argv: &[String]) -> Flow {
        let line = argv.join(" ");
        if let Some(command) = self.environment.behaviour.command(&line) {
            let command = command.full();
            self.out(&with_newline(&command.output));
            self.error(&with_newline(&command.error));
            return Flow::Next(command.exit);
        }
        let Some(program) = argv.first() else { return Flow::Next(0) };
        if let Some((script, arguments)) = script(argv) {
            return match self.script(script, arguments) {
                Flow::Exit(code) => Flow::Next(code),
                other => other,
            };
        }
        let arguments = &argv[1..];
        match base(program) {
            "true" => Flow::Next(0),
            "false" => Flow::Next(1),
            "echo" => {
                let (newline, words) = match arguments.first().map(String::as_str) {
                    Some("-n") => ("", &arguments[1..]),
                    Some("-e") => ("\n", &arguments[1..]),
                    _ => ("\n", arguments),
                };
                self.out(&format!("{}{newline}", words.join(" ")));
                Flow::Next(0)
            }
            "printf" => {
                let format = arguments.first().map_or("", String::as_str);
                let mut values = arguments.iter().skip(1);
                let mut text = String::new();
                for (index, part) in format.replace("\\n", "\n").replace("\\t", "\t").split("%s").enumerate()
                {
                    if index > 0 {
                        text.push_str(values.next().map_or("", String::as_str));
                    }
                    text.push_str(part);
                }
                self.out(&text);
                Flow::Next(0)
            }
            "sleep" => self.sleep(arguments),
            "env" | "printenv" => self.environment_variables(arguments),
            "date" => {
                let now = self.environment.now + self.at;
                let format = arguments
                    .iter()
                    .find_map(|word| word.strip_prefix('+'))
                    .unwrap_or("%a %b %e %H:%M:%S UTC %Y");
                self.out(&format!("{}\n", now.strftime(format)));
                Flow::Next(0)
            }
            "hostname" => {
                self.out(&format!("{}\n", self.environment.hostname));
                Flow::Next(0)
            }
            "whoami" => {
                self.out("root\n");
                Flow::Next(0)
            }
            "pwd" => {
                self.out("/\n");
                Flow::Next(0)
            }
            "cat" => self.cat(arguments),
            "ls" => self.list(arguments),
            "test" | "[" => self.test(arguments),
            "tail" if arguments.iter().any(|word| word == "-f") => {
                self.for_ever = true;
                Flow::Next(0)
            }
            _ => Flow::Unknown,
        }
    }

    fn sleep(&mut self, arguments: &[String]) -> Flow {
        let Some(text) = arguments.first() else { return Flow::Next(1) };
        if text == "infinity" {
            self.for_ever = true;
            return Flow::Next(0);
        }
        let (number, unit) = match text.chars().last() {
            Some('s') => (&text[..text.len() - 1], 1.0),
            Some('m') => (&text[..text.len() - 1], 60.0),
            Some('h') => (&text[..text.len() - 1], 3600.0),
            Some('d') => (&text[..text.len() - 1], 86_400.0),
            _ => (text.as_str(), 1.0),
        };
        match number.parse::<f64>().ok().and_then(|n| SignedDuration::try_from_secs_f64(n * unit).ok()) {
            Some(time) => {
                self.at += time;
                Flow::Next(0)
            }
            None => {
                self.error(&format!("sleep: invalid number '{text}'\n"));
                Flow::Next(1)
            }
        }
    }

    fn environment_variables(&mut self, arguments: &[String]) -> Flow {
        if let Some(name) = arguments.first() {
            let Some(value) = self.variables.get(name).cloned() else { return Flow::Next(1) };
            self.out(&format!("{value}\n"));
            return Flow::Next(0);
        }
        let all: String = self.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        self.out(&all);
        Flow::Next(0)
    }

    fn cat(&mut self, paths: &[String]) -> Flow {
        let mut code = 0;
        for path in paths {
            match self.environment.files.get(path).cloned() {
                Some(content) => self.out(&content),
                None => {
                    self.error(&format!("cat: {path}: No such file or directory\n"));
                    code = 1;
                }
            }
        }
        Flow::Next(code)
    }

    fn list(&mut self, arguments: &[String]) -> Flow {
        let directory = arguments.iter().find(|word| !word.starts_with('-')).map_or("/", String::as_str);
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        let mut names: Vec<&str> =
            self.environment.files.keys().filter_map(|path| path.strip_prefix(&prefix)).collect();
        names = names.into_iter().filter_map(|rest| rest.split('/').next()).collect();
        names.dedup();
        if names.is_empty() && directory != "/" && !self.environment.files.contains_key(directory) {
            self.error(&format!("ls: {directory}: No such file or directory\n"));
            return Flow::Next(1);
        }
        let listing: String = names.iter().map(|name| format!("{name}\n")).collect();
        self.out(&listing);
        Flow::Next(0)
    }

    fn test(&self, arguments: &[String]) -> Flow {
        let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "]").collect();
        let files = &self.environment.files;
        let holds = match words.as_slice() {
            ["-f" | "-e" | "-r", path] => files.contains_key(*path),
            ["-d", path] => {
                files.keys().any(|file| file.starts_with(&format!("{}/", path.trim_end_matches('/'))))
            }
            ["-n", text] | [text] => !text.is_empty(),
            ["-z", text] => text.is_empty(),
            [a, "=" | "==", b] => a == b,
            [a, "!=", b] => a != b,
            _ => false,
        };
        Flow::Next(i32::from(!holds))
    }

    fn out(&mut self, text: &str) {
        if !text.is_empty() {
            self.steps.push(Step::Out { at: self.at, text: text.to_owned() });
        }
    }

    fn error(&mut self, text: &str) {
        if !text.is_empty() {
            self.steps.push(Step::Error { at: self.at, text: text.to_owned() });
        }
    }

    /// The words of a command, quotes taken off, variables filled in. Redirections are dropped.
    fn words(&self, command: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut word: Option<String> = None;
        let mut chars = command.chars().peekable();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\'', None) | ('"', None) => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (c, Some(q)) if c == q => quote = None,
                ('$', None | Some('"')) => {
                    let value = self.variable(&mut chars);
                    word.get_or_insert_default().push_str(&value);
                }
                ('\\', None | Some('"')) => {
                    if let Some(next) = chars.next() {
                        word.get_or_insert_default().push(next);
                    }
                }
                (c, None) if c.is_whitespace() => words.extend(word.take()),
                (c, _) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words.retain(|word| !matches!(word.as_str(), "2>&1" | ">&2" | "1>&2" | ">/dev/null" | "2>/dev/null"));
        words
    }

    fn variable(&self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
        let mut name = String::new();
        if chars.peek() == Some(&'{') {
            chars.next();
            name = chars.by_ref().take_while(|c| *c != '}').collect();
        } else {
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                name.push(c);
            }
        }
        if name.is_empty() {
            return "$".to_owned();
        }
        let (name, default) = name.split_once(":-").unwrap_or((&name, ""));
        self.variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
            .unwrap_or_else(|| default.to_owned())
    }
}

/// What stands after a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Always,
    IfFine,
    IfFailed,
    Beside,
}

/// A script's commands in order, cut at `;`, `&&`, `||`, `&` and line ends outside of quotes.
fn commands(script: &str) -> Vec<(String, Then)> {
    let mut all = Vec::new();
    let mut current = String::new();
    let mut quote = None;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        let then = match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                None
            }
            (c, Some(q)) if c == q => {
                quote = None;
                None
            }
            (';' | '\n', None) => Some(Then::Always),
            ('&', None) if chars.next_if_eq(&'&').is_some() => Some(Then::IfFine),
            ('&', None) if !current.ends_with('>') && chars.peek() != Some(&'1') => Some(Then::Beside),
            ('|', None) if chars.next_if_eq(&'|').is_some() => Some(Then::IfFailed),
            _ => None,
        };
        match then {
            Some(then) => all.push((std::mem::take(&mut current), then)),
            None => current.push(c),
        }
    }
    all.push((current, Then::Always));
    all
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let valid = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then_some((name, value))
}

fn with_newline(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> (String, String, Option<i32>, i64) {
        let behaviour = ImageBehaviour {
            commands: [("psql -c *".to_owned(), super::super::Command::Output("1 row".to_owned()))].into(),
            ..ImageBehaviour::default()
        };
        let variables = [("NAME".to_owned(), "web".to_owned())].into();
        let files = [("/etc/app/key".to_owned(), "value\n".to_owned())].into();
        let environment = Environment {
            behaviour: &behaviour,
            variables: &variables,
            files: &files,
            now: Timestamp::UNIX_EPOCH,
            hostname: "p",
            unknown: Unknown::Absent,
        };
        let argv = ["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let Played::Ran(steps) = play(&argv, &environment) else { panic!("{script} did not run") };
        let (mut out, mut error, mut exit, mut seconds) = (String::new(), String::new(), None, 0);
        for step in steps {
            match step {
                Step::Out { text, .. } => out.push_str(&text),
                Step::Error { text, .. } => error.push_str(&text),
                Step::Exit { at, code } => (exit, seconds) = (Some(code), at.as_secs()),
            }
        }
        (out, error, exit, seconds)
    }

    #[test]
    fn scripts_print_wait_and_end() {
        for (script, out, error, exit, seconds) in [
            ("echo done", "done\n", "", Some(0), 0),
            ("echo crash; exit 7", "crash\n", "", Some(7), 0),
            ("sleep 600", "", "", Some(0), 600),
            ("false && echo no; true || echo no; false || echo yes", "yes\n", "", Some(0), 0),
            ("echo \"$NAME ${MISSING:-none}\" '$NAME'", "web none $NAME\n", "", Some(0), 0),
            ("A=1; echo $A", "1\n", "", Some(0), 0),
            ("cat /etc/app/key; ls /etc/app", "value\nkey\n", "", Some(0), 0),
            ("psql -c 'select 1'", "1 row\n", "", Some(0), 0),
            ("trap \"\" TERM; sleep 5 & wait; sleep 1m", "", "", Some(0), 65),
            ("nope", "", "sh: nope: not found\n", Some(127), 0),
            ("[ -f /etc/app/key ] && printf '%s\\n' there", "there\n", "", Some(0), 0),
            ("tail -f /dev/null", "", "", None, 0),
        ] {
            assert_eq!(run(script), (out.to_owned(), error.to_owned(), exit, seconds), "{script}");
        }
    }
}
