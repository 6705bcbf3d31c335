//! Reads the project's files once, for all rules.
//!
//! Build output, version control and hidden folders other than the project's own are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::rust_file::{self, RustFile};

/// Hidden folders that belong to the project.
const OWN_HIDDEN: [&str; 4] = [".cargo", ".ci", ".config", ".github"];

/// A file of the project.
pub struct File {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its text; bytes that are no text are replaced.
    pub text: String,
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let mut files = Vec::new();
    collect(&root(), &root(), &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
});

static RUST: LazyLock<Vec<RustFile>> = LazyLock::new(|| {
    let sources = files().iter().filter(|file| extension(&file.path) == "rs");
    let mut read: Vec<RustFile> =
        sources.map(|file| rust_file::read(&file.path, &file.text)).collect();
    rust_file::mark_test_modules(&mut read);
    read
});

/// The root of the project.
pub fn root() -> PathBuf {
    // Asked when the test runs: two checkouts may share one folder of build output.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).unwrap().to_path_buf()
}

/// Every file of the project, sorted by path.
pub fn files() -> &'static [File] {
    &FILES
}

/// Every Rust file of the project, parsed.
pub fn rust() -> &'static [RustFile] {
    &RUST
}

/// The text of a file, if it is there.
pub fn text(path: &str) -> Option<&'static str> {
    let found = files().iter().find(|file| file.path == path);
    found.map(|file| file.text.as_str())
}

/// Whether the project has a file in a folder.
pub fn has_folder(path: &str) -> bool {
    files().iter().any(|file| file.path.starts_with(&format!("{path}/")))
}

/// What follows the last dot of a path.
pub fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().unwrap();
        let path = entry.path();
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !OWN_HIDDEN.contains(&name.as_str());
            if !hidden && !path.join("CACHEDIR.TAG").exists() {
                collect(root, &path, files);
            }
        } else if kind.is_file() && name != ".git" {
            let relative = path.strip_prefix(root).unwrap();
            files.push(File {
                path: relative.to_string_lossy().into_owned(),
                text: String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            });
        }
    }
}

#[test]
fn the_tree_is_read_from_its_root() {
    assert!(text("Cargo.toml").unwrap().contains("[workspace]"));
    assert!(rust().iter().any(|file| file.path == "tests/house/tree.rs"));
    assert!(!files().iter().any(|file| file.path.starts_with("target/")));
}
