//! Reads one Rust file: its tokens with their lines, its functions, and which lines are test code.
//!
//! It knows no rule. What macros expand to is not seen; what is written inside of them is.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item};

/// A Rust file, read.
#[derive(Debug)]
pub struct RustFile {
    /// Its path from the root.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its tokens in order, comments left out and brackets as tokens of their own.
    pub tokens: Vec<Token>,
    /// Its functions outside of test code.
    pub functions: Vec<Function>,
    /// The lines that only tests see.
    pub test_lines: BTreeSet<usize>,
    /// Whether the whole file is test code.
    pub is_test: bool,
    /// The modules with a file of their own that only tests see.
    test_modules: Vec<String>,
}

/// One token.
#[derive(Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword.
    Name,
    /// A literal.
    Literal,
    /// A bracket or another sign.
    Sign,
}

/// A function outside of test code.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its signature.
    pub line: usize,
    /// All lines from its signature to its closing brace.
    pub raw_lines: usize,
    /// The lines of its body that hold code.
    pub code_lines: usize,
}

impl Token {
    /// The lines it takes.
    fn lines(&self) -> impl Iterator<Item = usize> + use<> {
        self.line..=self.line + self.text.matches('\n').count()
    }

    /// The text inside a plain string literal.
    pub fn string(&self) -> Option<&str> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        (self.kind == Kind::Literal).then_some(inner)
    }
}

impl RustFile {
    /// Where this sequence of tokens occurs: the place of its first token.
    pub fn find<'a>(&'a self, sequence: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
        let windows = self.tokens.windows(sequence.len()).enumerate();
        windows.filter_map(move |(at, window)| {
            let same = window.iter().zip(sequence).all(|(a, b)| a.text == *b);
            same.then_some(at)
        })
    }

    /// Whether only tests see this line.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.test_lines.contains(&line)
    }

    /// The tokens outside of test code.
    pub fn product_tokens(&self) -> impl Iterator<Item = &Token> {
        let outside = |token: &&Token| !self.is_test_line(token.line);
        self.tokens.iter().filter(outside)
    }

    /// The names of the test functions, also of those that a macro wraps.
    pub fn test_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        let plain = self.find(&["test", "]"]);
        let asynchronous = self.find(&["tokio", ":", ":", "test", "("]);
        for close in plain.into_iter().chain(asynchronous) {
            let rest = &self.tokens[close..];
            let start = rest.iter().position(|token| token.text == "fn");
            if let Some(name) = start.and_then(|at| rest.get(at + 1)) {
                names.insert(name.text.as_str());
            }
        }
        names
    }
}

/// Reads a file.
pub fn read(path: &str, text: &str) -> RustFile {
    let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut reader =
        Reader { code_lines: tokens.iter().flat_map(Token::lines).collect(), ..Reader::default() };
    reader.visit_file(&syntax);
    let in_tests = |folder| path.starts_with(folder) || path.contains(&format!("/{folder}"));
    RustFile {
        path: path.to_owned(),
        text: text.to_owned(),
        tokens,
        functions: reader.functions,
        test_lines: reader.test_lines,
        is_test: ["tests/", "benches/", "fuzz/"].into_iter().any(in_tests),
        test_modules: reader.test_modules,
    }
}

/// Marks the files of modules that only tests see.
pub fn mark_test_modules(files: &mut [RustFile]) {
    let mut marked = BTreeSet::new();
    for file in files.iter() {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let own = match name {
            "lib.rs" | "main.rs" => folder.to_owned(),
            _ => file.path.trim_end_matches(".rs").to_owned(),
        };
        marked.extend(file.test_modules.iter().map(|name| format!("{own}/{name}")));
    }
    for file in files {
        let stem = file.path.trim_end_matches(".rs");
        file.is_test |= stem
            .match_indices('/')
            .map(|(at, _)| &stem[..at])
            .chain([stem])
            .any(|stem| marked.contains(stem));
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |kind, text: String, line| tokens.push(Token { kind, text, line });
        match tree {
            TokenTree::Ident(name) => push(Kind::Name, name.to_string(), line),
            TokenTree::Punct(sign) => push(Kind::Sign, sign.to_string(), line),
            TokenTree::Literal(literal) => push(Kind::Literal, literal.to_string(), line),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(Kind::Sign, open.to_owned(), line);
                flatten(group.stream(), tokens);
                let line = group.span_close().end().line;
                tokens.push(Token { kind: Kind::Sign, text: close.to_owned(), line });
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    code_lines: BTreeSet<usize>,
    functions: Vec<Function>,
    test_lines: BTreeSet<usize>,
    test_modules: Vec<String>,
}

impl Reader {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let braces = block.brace_token.span;
        let (open, close) = (braces.open().start().line, braces.close().end().line);
        let body = self.code_lines.range(open + 1..close.max(open + 1));
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            raw_lines: close - line + 1,
            code_lines: body.count(),
        });
    }

    fn leave_out(&mut self, item: &impl Spanned) {
        let span = item.span();
        self.test_lines.extend(span.start().line..=span.end().line);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if item_attributes(item).iter().any(is_test) {
            self.leave_out(item);
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.test_modules.push(module.ident.to_string());
            }
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Fn(function) = item
            && function.attrs.iter().any(is_test)
        {
            self.leave_out(item);
        } else {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an attribute makes its item test code: `#[test]`, `#[tokio::test]`, `#[cfg(test)]`.
fn is_test(attribute: &Attribute) -> bool {
    let path = attribute.path();
    if path.is_ident("cfg") {
        let condition: Option<syn::Path> = attribute.parse_args().ok();
        return condition.is_some_and(|condition| condition.is_ident("test"));
    }
    let last = path.segments.last();
    last.is_some_and(|segment| segment.ident == "test")
}

#[test]
fn test_code_is_told_from_the_rest() {
    let text = "//! x\nfn a() {\n    // why\n\n    b();\n}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn c() {}\n}\n#[cfg(test)]\nmod far;\n#[cfg(not(test))]\nfn d() {}\n";
    let mut files = [read("engine/x/src/y.rs", text), read("engine/x/src/y/far.rs", "//! x\n")];
    mark_test_modules(&mut files);
    let [file, far] = &files;
    let functions: Vec<_> = file.functions.iter().map(|function| &function.name).collect();
    assert_eq!(functions, ["a", "d"]);
    assert_eq!((file.functions[0].raw_lines, file.functions[0].code_lines), (5, 1));
    assert_eq!(file.test_lines, (7..=13).collect());
    assert!(file.test_names().contains("c"));
    assert!(far.is_test && !file.is_test);
}

#[test]
fn tests_inside_of_macros_have_names_too() {
    let file = read("a.rs", "proptest! { #[test] fn d(x in 0..9) { e(); } }");
    assert_eq!(file.test_names(), BTreeSet::from(["d"]));
}
