//! The charts of the parity corpus and what Helm renders from them, and how to render them alike.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use gotemplate::{Function, Functions, Map, Type, Value};
use helm_render::{Chart, Entry, Files, Folder, RenderOptions, Values, render};

/// The corpus, unpacked.
pub(crate) struct Corpus {
    root: PathBuf,
}

/// One render that Helm did.
pub(crate) struct Case {
    /// The chart's path, and for a case with values of its own the file that holds them.
    pub(crate) name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
    golden: PathBuf,
}

/// The folder that holds the corpus: `OPSRUN_SHARED`, or `shared` beside the checkout.
pub(crate) fn shared() -> PathBuf {
    if let Some(path) = std::env::var_os("OPSRUN_SHARED") {
        return path.into();
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = crate_folder.ancestors().map(|folder| folder.join("../shared"));
    beside.into_iter().find(|path| path.exists()).unwrap_or_else(|| PathBuf::from("../shared"))
}

impl Corpus {
    /// Unpacks the corpus below the folder, unless that was done before; `None` if it is not on this machine.
    pub(crate) fn unpack(shared: &Path, below: &Path) -> io::Result<Option<Self>> {
        let packed = shared.join("helm-parity");
        if !packed.join("charts.tar.xz").exists() {
            return Ok(None);
        }
        let root = below.join("helm-parity-corpus");
        if !root.exists() {
            // Tests run side by side: each unpacks for itself, and the first to be done gives it the name.
            let part = below.join(format!("corpus-{}-{:?}", std::process::id(), std::thread::current().id()));
            fs::create_dir_all(&part)?;
            for archive in ["charts", "goldens", "goldens-ci"] {
                let archive = packed.join(format!("{archive}.tar.xz"));
                let status = Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(&part).status()?;
                if !status.success() {
                    return Err(io::Error::other(format!("tar could not unpack {}", archive.display())));
                }
            }
            fs::copy(packed.join("charts.txt"), part.join("charts.txt"))?;
            match fs::rename(&part, &root) {
                Err(_) if root.exists() => fs::remove_dir_all(&part)?,
                renamed => renamed?,
            }
        }
        Ok(Some(Corpus { root }))
    }

    /// Every chart with its default values.
    pub(crate) fn charts(&self) -> io::Result<Vec<Case>> {
        let list = fs::read_to_string(self.root.join("charts.txt"))?;
        let case = |name: &str| Case {
            name: name.to_owned(),
            chart: self.root.join("charts").join(name),
            values: None,
            golden: self.root.join("goldens").join(format!("{name}.yaml")),
        };
        Ok(list.lines().filter(|line| !line.is_empty()).map(case).collect())
    }

    /// Every chart with each of its own `ci/` values.
    pub(crate) fn charts_with_values(&self) -> io::Result<Vec<Case>> {
        let goldens = self.root.join("goldens-ci");
        let mut files = Vec::new();
        list_files(&goldens, &mut files)?;
        files.sort();
        let case = |golden: PathBuf| {
            let name = golden.strip_prefix(&goldens).ok()?.to_str()?.to_owned();
            let (chart, file) = name.rsplit_once('/')?;
            let chart = self.root.join("charts").join(chart);
            let values = chart.join("ci").join(file);
            Some(Case { chart, values: Some(values), golden, name })
        };
        Ok(files.into_iter().filter_map(case).collect())
    }
}

impl Case {
    /// Where our rendering first differs from Helm's; `None` if it does not.
    pub(crate) fn difference(&self) -> Option<String> {
        let golden = match self.golden() {
            Ok(golden) => golden,
            Err(e) => return Some(format!("no golden: {e}")),
        };
        match self.render() {
            Ok(ours) => first_difference(&golden, &ours),
            Err(e) => Some(e),
        }
    }

    /// What Helm renders.
    pub(crate) fn golden(&self) -> io::Result<String> {
        fs::read_to_string(&self.golden)
    }

    pub(crate) fn render(&self) -> Result<String, String> {
        let files = Files::from_folder(&Disk(&self.chart)).map_err(|e| e.to_string())?;
        let chart = Chart::from_files(files).map_err(|e| e.to_string())?;
        let values = match &self.values {
            Some(path) => Values::from_yaml(fs::read(path).map_err(|e| e.to_string())?)?,
            None => Values::new(),
        };
        let now = jiff::Timestamp::from_second(1_700_000_000).map_err(|e| e.to_string())?;
        let mut options = RenderOptions::new("release-name", "default", now);
        options.functions = replacements();
        let rendered = render(&chart, &values, &options).map_err(|e| e.to_string())?;
        Ok(rendered.to_template_output())
    }
}

/// A folder on disk.
struct Disk<'a>(&'a Path);

impl Folder for Disk<'_> {
    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        fs::read_dir(self.0.join(path))?
            .map(|entry| {
                let entry = entry?;
                let is_folder = fs::metadata(entry.path())?.is_dir();
                Ok(Entry { name: entry.file_name().to_string_lossy().into_owned(), is_folder })
            })
            .collect()
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(path))
    }
}

fn list_files(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list_files(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

fn first_difference(want: &str, got: &str) -> Option<String> {
    if want == got {
        return None;
    }
    let mut ours = got.lines();
    for (i, line) in want.lines().enumerate() {
        match ours.next() {
            Some(other) if other == line => {}
            other => {
                return Some(format!("line {}: want {line:?}, got {:?}", i + 1, other.unwrap_or("(end)")));
            }
        }
    }
    Some(format!("we have more: {:?}", ours.next().unwrap_or("(an end of line)")))
}

/// The functions that the corpus was rendered with in place of random ones.
fn replacements() -> Functions {
    let mut table = Functions::new();
    for (name, letter) in [
        ("randAlphaNum", "a"),
        ("randAlpha", "b"),
        ("randNumeric", "1"),
        ("randAscii", "c"),
        ("randBytes", "d"),
    ] {
        table.set(
            name,
            Function::new(&[Type::Int], move |_, args| {
                let count = args[0].as_number().and_then(|n| n.as_int()).unwrap_or(0);
                Ok(Value::str(letter.repeat(usize::try_from(count).unwrap_or(0))))
            }),
        );
    }
    table.set("randInt", Function::new(&[Type::Int, Type::Int], |_, args| Ok(args[0].clone())));
    table.set("uuidv4", Function::new(&[], |_, _| Ok(Value::str("00000000-0000-4000-8000-000000000000"))));
    table.set("genPrivateKey", Function::new(&[Type::String], |_, _| Ok(Value::str("PK"))));
    for name in ["shuffle", "bcrypt"] {
        table.set(name, Function::new(&[Type::String], |_, args| Ok(args[0].clone())));
    }
    let joined = |separator: &'static str| {
        Function::new(&[Type::String, Type::String], move |_, args| {
            let text = |i: usize| args[i].as_str().map(|s| s.to_text()).unwrap_or_default();
            Ok(Value::str(format!("{}{separator}{}", text(0), text(1))))
        })
    };
    table.set("htpasswd", joined(":"));
    table.set("encryptAES", joined(""));
    for name in [
        "genCA",
        "genCAWithKey",
        "genSelfSignedCert",
        "genSelfSignedCertWithKey",
        "genSignedCert",
        "genSignedCertWithKey",
    ] {
        table.set(
            name,
            Function::variadic(&[Type::Any], |_, _| {
                let fields = [("Cert", Value::str("CERT")), ("Key", Value::str("KEY"))];
                Ok(Value::Map(fields.into_iter().collect::<Map>()))
            }),
        );
    }
    table
}
