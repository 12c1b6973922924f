//! Charts and what Helm rendered from them, in two folders with the same relative paths, and how to render them alike.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use gotemplate::{Function, Functions, Map, Type, Value};
use helm_render::{Chart, Entry, Files, Folder, RenderOptions, Values, render};

/// One render that Helm did.
pub(crate) struct Case {
    /// The golden's path below the folder of goldens; without its extension, if it is a chart's own.
    pub(crate) name: String,
    chart: PathBuf,
    /// A file in the chart's `ci` folder, whose values go over the chart's.
    values: Option<String>,
    golden: PathBuf,
}

/// A case for every golden `NAME.yaml`: the chart `NAME` with its default values.
pub(crate) fn cases(charts: &Path, goldens: &Path) -> io::Result<Vec<Case>> {
    let case = |path: &str| {
        let name = path.strip_suffix(".yaml")?.to_owned();
        Some(Case { chart: chart_at(charts, &name), values: None, golden: goldens.join(path), name })
    };
    Ok(list_files(goldens)?.iter().filter_map(|path| case(path)).collect())
}

/// A case for every golden `NAME/FILE`: the chart `NAME` with the values of its `ci/FILE`.
pub(crate) fn cases_with_values(charts: &Path, goldens: &Path) -> io::Result<Vec<Case>> {
    let case = |name: String| {
        // The values file may be in a folder of `ci`: the chart is the deepest folder that is one.
        let cuts = name.rmatch_indices('/').map(|(at, _)| (&name[..at], &name[at + 1..]));
        let is_chart = |(chart, _): &(&str, &str)| {
            let path = chart_at(charts, chart);
            path.is_file() || path.join("Chart.yaml").is_file()
        };
        let (chart, file) = cuts.clone().find(is_chart).or_else(|| cuts.clone().next())?;
        let (chart, values) = (chart_at(charts, chart), Some(file.to_owned()));
        Some(Case { chart, values, golden: goldens.join(&name), name })
    };
    Ok(list_files(goldens)?.into_iter().filter_map(case).collect())
}

/// The folder of a chart, or its archive.
fn chart_at(charts: &Path, name: &str) -> PathBuf {
    let folder = charts.join(name);
    let archives = ["tgz", "tar.gz"].map(|extension| charts.join(format!("{name}.{extension}")));
    let archive = archives.into_iter().find(|path| !folder.exists() && path.is_file());
    archive.unwrap_or(folder)
}

/// The files below a folder by their path there, in order.
fn list_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if inner.is_empty() { name } else { format!("{inner}/{name}") };
            if entry.path().is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

impl Case {
    /// Where our rendering first differs from Helm's; `None` if it does not. A chart that cannot be rendered differs.
    pub(crate) fn difference(&self) -> Option<String> {
        let golden = match self.golden() {
            Ok(golden) => golden,
            Err(e) => return Some(format!("no golden: {e}")),
        };
        match std::panic::catch_unwind(|| self.render()) {
            Ok(Ok(ours)) => first_difference(&golden, &ours),
            Ok(Err(message)) => Some(message),
            Err(_) => Some("a panic".to_owned()),
        }
    }

    /// What Helm renders.
    pub(crate) fn golden(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.golden)
    }

    /// What we render, or why we do not.
    pub(crate) fn render(&self) -> Result<String, String> {
        let files = self.files()?;
        let values = match &self.values {
            Some(file) => Values::from_yaml(self.values_file(&files, file)?)?,
            None => Values::new(),
        };
        let chart = Chart::from_files(files).map_err(|e| e.to_string())?;
        let now = jiff::Timestamp::from_second(1_700_000_000).map_err(|e| e.to_string())?;
        let mut options = RenderOptions::new("release-name", "default", now);
        options.functions = replacements();
        let rendered = render(&chart, &values, &options).map_err(|e| e.to_string())?;
        Ok(rendered.to_template_output())
    }

    fn files(&self) -> Result<Files, String> {
        let failed = |e: io::Error| format!("cannot read {}: {e}", self.chart.display());
        if self.chart.is_file() {
            let bytes = fs::read(&self.chart).map_err(failed)?;
            return Files::from_archive(&bytes).map_err(|e| e.to_string());
        }
        Files::from_folder(&Disk(&self.chart)).map_err(failed)
    }

    /// A folder's values file may be one that its `.helmignore` names.
    fn values_file(&self, files: &Files, file: &str) -> Result<Vec<u8>, String> {
        if self.chart.is_file() {
            let path = format!("ci/{file}");
            return files.get(&path).map(<[u8]>::to_vec).ok_or_else(|| format!("no {path} in the archive"));
        }
        let path = self.chart.join("ci").join(file);
        fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
    }
}

/// A folder on disk.
pub(crate) struct Disk<'a>(pub(crate) &'a Path);

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

/// The first line that is not the same.
fn first_difference(want: &[u8], got: &str) -> Option<String> {
    if want == got.as_bytes() {
        return None;
    }
    let (mut wanted, mut ours) = (want.split_inclusive(|b| *b == b'\n'), got.split_inclusive('\n'));
    for line in 1.. {
        match (wanted.next(), ours.next()) {
            (Some(want), Some(got)) if want == got.as_bytes() => {}
            (want, got) => {
                let want = want.map_or("(end)".into(), String::from_utf8_lossy);
                return Some(format!("line {line}: want {want:?}, got {:?}", got.unwrap_or("(end)")));
            }
        }
    }
    None
}

/// The corpus of this machine, unpacked.
#[allow(dead_code)] // The example is given its folders.
pub(crate) struct Corpus {
    pub(crate) root: PathBuf,
}

#[allow(dead_code)]
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
            match fs::rename(&part, &root) {
                Err(_) if root.exists() => fs::remove_dir_all(&part)?,
                renamed => renamed?,
            }
        }
        Ok(Some(Corpus { root }))
    }
}

/// The folder that holds the corpus: `OPSRUN_SHARED`, or `shared` beside the checkout.
#[allow(dead_code)]
pub(crate) fn shared() -> PathBuf {
    if let Some(path) = std::env::var_os("OPSRUN_SHARED") {
        return path.into();
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = crate_folder.ancestors().map(|folder| folder.join("../shared"));
    beside.into_iter().find(|path| path.exists()).unwrap_or_else(|| PathBuf::from("../shared"))
}

/// The functions that the corpus was rendered with in place of random ones.
pub(crate) fn replacements() -> Functions {
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
