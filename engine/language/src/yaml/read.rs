//! From text to tree: the events of the YAML parser, under the language's profile.
//!
//! One document, of at most 1 MiB and 32 levels, no tags but `!!str`, no tabs, no key twice, aliases
//! within a budget. Only this file names the parser.

use std::collections::BTreeMap;

use holdfast_contract::list::MARK;
use holdfast_kernel::value::Value;
use serde_yaml::granit_parser::{
    Event, Options, Parser, ScalarStyle, ScanError, Span as Marks, Tag,
};

use super::{Data, Entry, Node, refuse, tabs};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::input::with_article;
use crate::scalar;
use crate::source::{MAX_BYTES, Span};

/// How deep lists and maps may be nested.
const MAX_DEPTH: usize = 32;
/// How many values the aliases of a file may stand for.
const MAX_ALIASED: usize = 100_000;
/// The most bytes one text may have.
const MAX_TEXT: usize = 256 * 1024;

/// The tree of a text; none if there is nothing to check, and then something was reported.
pub(crate) fn read(sink: &mut Sink<'_>) -> Option<Node> {
    let source = sink.source();
    let size = source.text().len();
    if size > MAX_BYTES {
        refuse::too_large(sink, size);
        return None;
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    options.flow_nesting_limit = 100;
    options.block_nesting_limit = 100;
    let mut reader = Reader::new(sink);
    for event in Parser::new_from_str_with_options(source.text(), options) {
        match event {
            Ok((event, marks)) => {
                reader.tag_span = marks.tag_span().map(|marks| span_of(&marks));
                reader.take(event, span_of(&marks));
            }
            Err(error) => reader.broken_off(&error),
        }
        if reader.stopped {
            break;
        }
    }
    reader.finish()
}

fn span_of(marks: &Marks) -> Span {
    let range = marks.byte_range().unwrap_or(0..0);
    Span::new(range.start, range.end)
}

/// What is being read.
struct Reader<'a, 's> {
    sink: &'a mut Sink<'s>,
    open: Vec<Frame>,
    /// Finished nodes that an alias may stand for, with how many values they are.
    anchors: BTreeMap<usize, (Node, usize)>,
    aliased: usize,
    scalars: Vec<Span>,
    /// Where the tag of the current event stands.
    tag_span: Option<Span>,
    root: Option<Node>,
    documents: usize,
    stopped: bool,
    templates_reported: bool,
}

/// A list or map whose end has not come yet.
struct Frame {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Where each key stands.
        seen: BTreeMap<String, Span>,
        key: Option<(String, Span)>,
        flow: bool,
    },
    /// Reported already; its content is of no interest.
    Broken,
}

impl<'a, 's> Reader<'a, 's> {
    fn new(sink: &'a mut Sink<'s>) -> Self {
        Self {
            sink,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            aliased: 0,
            scalars: Vec::new(),
            tag_span: None,
            root: None,
            documents: 0,
            stopped: false,
            templates_reported: false,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::DocumentStart(..) => self.document(span),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalars.push(span);
                let node = self.scalar(&text, style, tag.as_deref(), span);
                self.value(node, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.collection(span, anchor, tag.as_deref(), Content::List(Vec::new()));
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = matches!(style, serde_yaml::granit_parser::StructureStyle::Flow);
                if flow && self.is_template(span.start) {
                    self.templates_reported = true;
                    refuse::unquoted(self.sink, span.start - 1);
                    self.set_broken();
                }
                let content =
                    Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None, flow };
                self.collection(span, anchor, tag.as_deref(), content);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Alias(id) => self.alias(id, span),
            _ => {}
        }
    }

    fn document(&mut self, span: Span) {
        self.documents += 1;
        if self.documents > 1 {
            self.sink
                .error(Code::NoWorkflow, span, "A second document starts here.")
                .remedy("Put each document into a file of its own.");
            self.root = None;
            self.stopped = true;
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let mut data = match style {
            ScalarStyle::Plain if tag.is_none() => Data::Scalar(scalar::resolve(text)),
            _ => Data::Scalar(Value::from(text)),
        };
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema_tag("str")) {
            refuse::tag(self.sink, tag, self.tag_span.unwrap_or(span));
            data = Data::Broken;
        }
        if text.len() > MAX_TEXT {
            self.sink
                .error(
                    Code::OutOfRange,
                    span,
                    format!("This text has {} bytes; one text has at most {MAX_TEXT}.", text.len()),
                )
                .remedy("Keep it in a file of its own.");
            data = Data::Broken;
        }
        Node { span, data }
    }

    fn collection(&mut self, span: Span, anchor: usize, tag: Option<&Tag>, content: Content) {
        let mut content = content;
        if let Some(tag) = tag {
            refuse::tag(self.sink, tag, self.tag_span.unwrap_or(span));
            content = Content::Broken;
        }
        if matches!(self.open.last(), Some(Frame { content: Content::Broken, .. })) {
            content = Content::Broken;
        }
        if self.open.len() >= MAX_DEPTH {
            self.too_deep(span);
            return;
        }
        self.open.push(Frame { start: span.start, anchor, content });
    }

    fn too_deep(&mut self, span: Span) {
        self.sink
            .error(
                Code::TooDeep,
                span,
                format!("Lists and maps are nested more than {MAX_DEPTH} deep here."),
            )
            .remedy("Make the structure flatter.");
        self.stopped = true;
    }

    fn close(&mut self, end: usize) {
        let Some(frame) = self.open.pop() else {
            return;
        };
        // The end of a block is known only at the next token: it ends with its last value.
        let last = |span: Option<Span>| span.map_or(end, |span| span.end);
        let (end, data) = match frame.content {
            Content::List(list) => (last(list.last().map(|node| node.span)), Data::List(list)),
            Content::Map { entries, .. } => {
                (last(entries.last().map(|entry| entry.value.span)), Data::Map(entries))
            }
            Content::Broken => (end, Data::Broken),
        };
        let node = Node { span: Span::new(frame.start, end.max(frame.start)), data };
        self.value(node, frame.anchor);
    }

    fn alias(&mut self, id: usize, span: Span) {
        let Some((node, weight)) = self.anchors.get(&id) else {
            self.sink.error(
                Code::TooManyNodes,
                span,
                "The alias stands for something that contains it.",
            );
            self.value(Node { span, data: Data::Broken }, 0);
            return;
        };
        self.aliased += weight;
        if self.aliased > MAX_ALIASED {
            self.sink
                .error(
                    Code::TooManyNodes,
                    span,
                    format!("The aliases up to here stand for more than {MAX_ALIASED} values."),
                )
                .remedy("Use fewer aliases, or none inside of what an alias stands for.");
            self.stopped = true;
            return;
        }
        if self.open.len() + depth(node) > MAX_DEPTH {
            self.too_deep(span);
            return;
        }
        let node = node.clone();
        self.value(node, 0);
    }

    /// Puts a finished value where it belongs: as a key, a value, an item or the whole document.
    fn value(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), weight(&node)));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut frame.content {
            Content::List(list) => list.push(node),
            Content::Map { entries, key, .. } => match key.take() {
                Some((key, key_span)) => entries.push(Entry { key, key_span, value: node }),
                None => match self.key(&node) {
                    Some(found) => self.set_key(found, node.span),
                    None => self.set_broken(),
                },
            },
            Content::Broken => {}
        }
    }

    fn set_key(&mut self, text: String, span: Span) {
        let Some(Frame { content: Content::Map { seen, key, .. }, .. }) = self.open.last_mut()
        else {
            return;
        };
        if text == MARK {
            refuse::reserved(self.sink, span);
        } else if let Some(first) = seen.insert(text.clone(), span) {
            self.sink
                .error(Code::DuplicateKey, span, format!("The key `{text}` is there twice."))
                .related(first, "it is here first")
                .remedy("Remove one of them.");
        }
        *key = Some((text, span));
    }

    fn set_broken(&mut self) {
        if let Some(frame) = self.open.last_mut() {
            frame.content = Content::Broken;
        }
    }

    /// The text of a key: what stands there, whatever it would be as a value.
    fn key(&mut self, node: &Node) -> Option<String> {
        let written = self.sink.source().slice(node.span);
        let text = match &node.data {
            Data::Scalar(Value::Text(text)) => Some(text.clone()),
            Data::Scalar(Value::None) | Data::List(_) | Data::Map(_) => None,
            Data::Scalar(_) => Some(written.to_owned()),
            Data::Broken => return None,
        };
        if text.is_none() {
            self.sink
                .error(
                    Code::KeyNotText,
                    node.span,
                    format!("A key is text, and this is {}.", with_article(node.type_name())),
                )
                .remedy("Write the key as text, in quotes if need be.");
        }
        text
    }

    /// Whether a flow map that starts here is the inner one of an unquoted `{{ … }}`.
    fn is_template(&self, start: usize) -> bool {
        matches!(
            self.open.last(),
            Some(Frame { start: outer, content: Content::Map { entries, key: None, flow: true, .. }, .. })
                if entries.is_empty() && *outer + 1 == start
        )
    }

    /// The parser gave up.
    fn broken_off(&mut self, error: &ScanError) {
        self.stopped = true;
        self.root = None;
        // After a template without quotes hardly anything is YAML, so that was said already.
        if !self.templates_reported {
            refuse::broken_off(self.sink, error);
        }
    }

    fn finish(self) -> Option<Node> {
        tabs::check(self.sink, &self.scalars);
        if self.stopped && self.root.is_none() {
            if !self.sink.has_errors() {
                self.sink.error(Code::NotYaml, Span::at(0), "This is not YAML.");
            }
            return None;
        }
        self.root
    }
}

fn weight(node: &Node) -> usize {
    // A long text costs as much as many small ones.
    let own = 1 + node.text().map_or(0, str::len) / 64;
    let children: usize = match &node.data {
        Data::List(list) => list.iter().map(weight).sum(),
        Data::Map(entries) => entries.iter().map(|entry| weight(&entry.value)).sum(),
        Data::Scalar(_) | Data::Broken => 0,
    };
    own + children
}

fn depth(node: &Node) -> usize {
    match &node.data {
        Data::List(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Data::Map(entries) => {
            1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0)
        }
        Data::Scalar(_) | Data::Broken => 0,
    }
}
