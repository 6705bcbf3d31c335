//! Collects the words that people type or read: YAML keys, command line verbs and flags, API fields.
//!
//! It reads sources, so it needs no build of what it reads. Which words are right is not decided here.

use crate::rust_file::{self, Kind, RustFile};
use crate::tree::File;

/// A word that people meet, and where it is defined.
#[derive(Debug)]
pub struct Word {
    /// The word, as it is typed: `run_when`, `dry-run`.
    pub text: String,
    /// The file and line that define it.
    pub place: String,
}

/// What makes a type part of the command line, by its derive.
const COMMAND_LINE: [&str; 4] = ["Parser", "Subcommand", "Args", "ValueEnum"];

/// What makes a type part of the API, by its derive.
const API: [&str; 2] = ["Serialize", "Deserialize"];

/// Keys of a table of keys and of action specs: `required("name", ..)`, `optional("name", ..)`.
pub fn table_keys(file: &RustFile) -> Vec<Word> {
    let tables = [["required", "("], ["optional", "("], ["not_built", "("]];
    let found = tables.iter().flat_map(|call| called_with_text(file, call));
    found.collect()
}

/// Keys of a YAML file, also those of maps in braces.
pub fn yaml_keys(file: &File) -> Vec<Word> {
    let mut words = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let plain = without_text(line);
        for (at, _) in plain.match_indices(':') {
            let ends = plain[at + 1..].chars().next().is_none_or(|next| next == ' ');
            let before = &plain[..at];
            let start = before.rfind([' ', '{', ',']).map_or(0, |space| space + 1);
            let key = &before[start..];
            if ends && !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                words.push(Word {
                    text: key.to_owned(),
                    place: format!("{}:{}", file.path, number + 1),
                });
            }
        }
    }
    words
}

/// A line without comments, quoted text and expressions.
fn without_text(line: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    let mut previous = ' ';
    for letter in line.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '#' && previous == ' ' => break,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None => plain.push(letter),
        }
        previous = letter;
    }
    plain
}

/// Verbs, flags and values of clap: by derive, and by its builder.
pub fn command_line(file: &RustFile) -> Vec<Word> {
    let mut words = members(file, &COMMAND_LINE);
    if file.find(&["clap"]).next().is_some() {
        let built = [
            vec!["Command", ":", ":", "new", "("],
            vec!["Arg", ":", ":", "new", "("],
            vec![".", "long", "("],
            vec![".", "alias", "("],
            vec![".", "visible_alias", "("],
        ];
        words.extend(built.iter().flat_map(|call| called_with_text(file, call)));
    }
    words
}

/// Fields and variants of the types that the API reads and writes.
pub fn api(file: &RustFile) -> Vec<Word> {
    members(file, &API)
}

fn called_with_text<'a>(file: &'a RustFile, call: &'a [&str]) -> impl Iterator<Item = Word> + 'a {
    file.find(call).filter_map(|at| {
        let token = file.tokens.get(at + call.len())?;
        (!file.is_test_line(token.line)).then_some(())?;
        word(file, token.string()?, token.line)
    })
}

fn word(file: &RustFile, text: &str, line: usize) -> Option<Word> {
    let place = format!("{}:{line}", file.path);
    let text = text.to_owned();
    (!text.is_empty()).then_some(Word { text, place })
}

/// The names of fields and variants, and names given in attributes, of types that derive one of these.
fn members(file: &RustFile, derives: &[&str]) -> Vec<Word> {
    let mut words = Vec::new();
    for start in file.find(&["#", "[", "derive", "("]) {
        let rest = &file.tokens[start..];
        let close = rest.iter().position(|token| token.text == ")").unwrap_or(0);
        let marked = rest[..close].iter().any(|token| derives.contains(&token.text.as_str()));
        if marked && !file.is_test_line(rest[0].line) {
            words.extend(body_words(file, start + close));
        }
    }
    words
}

fn body_words(file: &RustFile, from: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut depth, mut in_attribute) = (0_usize, 0_usize);
    let tokens = &file.tokens[from..];
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
        match token.text.as_str() {
            "[" if at > 0 && tokens[at - 1].text == "#" => in_attribute = 1,
            "[" if in_attribute > 0 => in_attribute += 1,
            "]" if in_attribute > 0 => in_attribute -= 1,
            _ if in_attribute > 0 => {
                let named = at > 1 && tokens[at - 1].text == "=";
                let by = if named { tokens[at - 2].text.as_str() } else { "" };
                let naming = ["name", "long", "alias", "visible_alias", "rename"].contains(&by);
                words.extend(
                    token.string().filter(|_| naming).and_then(|text| word(file, text, token.line)),
                );
            }
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            ";" if depth == 0 => break,
            name if depth > 0 && token.kind == Kind::Name => {
                let field =
                    next == ":" && tokens.get(at + 2).is_some_and(|token| token.text != ":");
                let variant = depth == 1 && name.starts_with(|c: char| c.is_ascii_uppercase());
                let variant = variant && [",", "{", "(", "}", "="].contains(&next);
                let typed = at > 0 && [":", "<", "&", "("].contains(&tokens[at - 1].text.as_str());
                if field || variant && !typed {
                    words.extend(word(file, &kebab(name), token.line));
                }
            }
            _ => {}
        }
    }
    words
}

/// `DryRun` and `dry_run` as clap and people write them.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(if letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    text
}

#[cfg(test)]
fn texts(words: Vec<Word>) -> Vec<String> {
    words.into_iter().map(|word| word.text).collect()
}

#[test]
fn keys_of_tables_and_specs_are_found() {
    let text =
        "const A: Place = Place { keys: &[required(\"id\", Kind::Name), optional(\"with\", X)] };
        const F: Field = Field::required(\"channel\", Shape::String, \"not this\");
        #[cfg(test)] mod tests { fn a() { optional(\"nor_this\", X) } }";
    let words = table_keys(&rust_file::read("a.rs", text));
    assert_eq!(texts(words), ["id", "channel", "with"]);
}

#[test]
fn keys_of_yaml_are_found() {
    let text =
        "name: a:b # not: this\n  - id: x\n    with: { kinds: \"{{ a }} no: t\", names: [] }\n";
    let file = File { path: "a.yaml".into(), text: text.into() };
    assert_eq!(texts(yaml_keys(&file)), ["name", "id", "with", "kinds", "names"]);
}

#[test]
fn verbs_and_flags_are_found() {
    let text = "#[derive(Debug, clap::Subcommand)] enum C { /// Doc.
        DryRun, #[command(visible_alias = \"go\")] Run(RunArgs), Show { #[arg(long = \"step-id\")] step: Option<String> } }
        #[derive(clap::Args)] struct RunArgs { inputs: Vec<crate::Input>, dry_run: Mode }
        #[derive(Debug)] struct Other { job: u8 }
        fn a() { Command::new(\"set\").arg(Arg::new(\"x\").long(\"since\")); }";
    let words = texts(command_line(&rust_file::read("a.rs", text)));
    let expect = [
        "dry-run", "go", "run", "show", "step-id", "step", "inputs", "dry-run", "set", "x", "since",
    ];
    assert_eq!(words, expect);
}

#[test]
fn fields_of_the_api_are_found() {
    let text = "#[derive(Serialize)] #[serde(rename_all = \"snake_case\")] struct Run<'a> { id: &'a str, \
        #[serde(rename = \"job\")] run: u8 }";
    assert_eq!(texts(api(&rust_file::read("a.rs", text))), ["id", "job", "run"]);
}
