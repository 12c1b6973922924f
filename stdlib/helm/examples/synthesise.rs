//! Writes the charts that the benchmarks render: `synthesise dependencies|tpl|includes COUNT FOLDER`.

#![allow(clippy::disallowed_methods)] // A tool for developers, beside the product.

#[path = "../render/tests/synthetic/mod.rs"]
mod synthetic;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count, folder] = args.as_slice() else {
        return Err("usage: synthesise dependencies|tpl|includes COUNT FOLDER".into());
    };
    let count = count.parse()?;
    let files = match kind.as_str() {
        "dependencies" => synthetic::with_dependencies(count),
        "tpl" => synthetic::with_tpl_calls(count),
        "includes" => synthetic::with_nested_includes(count),
        other => return Err(format!("unknown kind {other}").into()),
    };
    for (path, text) in files {
        let path = Path::new(folder).join(path);
        std::fs::create_dir_all(path.parent().ok_or("a file has a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}
