//! Expressions as a tree of our own, with the place of every part.
//!
//! This is the only file that reads the template engine's syntax tree, which has no promise of
//! stability. It decides nothing about names or types, and evaluates nothing.

use std::ops::Range;

use holdfast_kernel::value::Value;
use minijinja::machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, UnaryOpKind};
use minijinja::machinery::{Span as EngineSpan, parse_expr, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The most bytes an expression may have.
pub(crate) const MAX_BYTES: usize = 2_048;
/// How deep the parts of an expression may be nested.
const MAX_DEPTH: usize = 200;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    pub what: What,
    /// Its bytes within the text of the whole expression.
    pub range: Range<usize>,
}

/// What a part of an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Name(String),
    Constant(Value),
    /// `input.name`, or `input["name"]`.
    Field(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    Slice(Box<Expression>, Vec<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    /// `and` or `or`.
    Logic(Box<Expression>, Box<Expression>),
    /// `+`, which also joins texts and lists.
    Sum(Box<Expression>, Box<Expression>),
    Arithmetic(Box<Expression>, Box<Expression>),
    /// `~`
    Joined(Box<Expression>, Box<Expression>),
    /// `in`
    Within(Box<Expression>, Box<Expression>),
    Comparison(Box<Expression>, Box<Expression>),
    /// `then if test else otherwise`
    Choice {
        test: Box<Expression>,
        then: Box<Expression>,
        otherwise: Option<Box<Expression>>,
    },
    Filter(Applied),
    Test(Applied),
    Call {
        function: Box<Expression>,
        arguments: Vec<Expression>,
    },
    List(Vec<Expression>),
    Map(Vec<Expression>),
}

/// A filter or test with what it is applied to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Applied {
    pub name: String,
    pub input: Box<Expression>,
    pub arguments: Vec<Expression>,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// A sentence without its full stop.
    pub message: String,
    /// Where in the text.
    pub range: Range<usize>,
    pub reason: Reason,
}

/// What kind of unreadable it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    TooLong,
    Syntax,
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expression, Unreadable> {
    let whole = 0..text.len();
    if text.len() > MAX_BYTES {
        return Err(Unreadable {
            message: format!("The expression has {} bytes, more than {MAX_BYTES}", text.len()),
            range: whole,
            reason: Reason::TooLong,
        });
    }
    // The engine's parser forgets a bad character behind a text, and reads only what stands before it:
    // `a == "b" && c` would be `a == "b"`. So every token is looked at first.
    for token in tokenize(text, true, SyntaxConfig::default()) {
        token.map_err(|error| unreadable(&error, text))?;
    }
    let tree = parse_expr(text).map_err(|error| unreadable(&error, text))?;
    convert(&tree, 0).ok_or_else(|| Unreadable {
        message: "The expression is nested too deeply".to_owned(),
        range: whole,
        reason: Reason::TooLong,
    })
}

fn unreadable(error: &minijinja::Error, text: &str) -> Unreadable {
    let detail = error.detail().unwrap_or("there is none");
    Unreadable {
        message: format!("The expression cannot be read: {detail}"),
        range: error.range().unwrap_or(0..text.len()),
        reason: Reason::Syntax,
    }
}

fn range(span: EngineSpan) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// The same tree in our own words; none if it is too deep.
fn convert(tree: &ast::Expr<'_>, depth: usize) -> Option<Expression> {
    if depth > MAX_DEPTH {
        return None;
    }
    let child = |tree: &ast::Expr<'_>| convert(tree, depth + 1).map(Box::new);
    let children = |trees: &[ast::Expr<'_>]| -> Option<Vec<Expression>> {
        trees.iter().map(|tree| convert(tree, depth + 1)).collect()
    };
    let what = match tree {
        ast::Expr::Var(name) => What::Name(name.id.to_owned()),
        ast::Expr::Const(constant) => What::Constant(constant_value(&constant.value)),
        ast::Expr::GetAttr(get) => What::Field(child(&get.expr)?, get.name.to_owned()),
        ast::Expr::GetItem(get) => {
            let subscript = child(&get.subscript_expr)?;
            match &subscript.what {
                What::Constant(Value::Text(name)) => What::Field(child(&get.expr)?, name.clone()),
                _ => What::Index(child(&get.expr)?, subscript),
            }
        }
        ast::Expr::Slice(slice) => What::Slice(child(&slice.expr)?, bounds(slice, depth)?),
        ast::Expr::UnaryOp(unary) => match unary.op {
            UnaryOpKind::Not => What::Not(child(&unary.expr)?),
            UnaryOpKind::Neg => What::Negative(child(&unary.expr)?),
        },
        ast::Expr::BinOp(binary) => {
            operation(binary.op, child(&binary.left)?, child(&binary.right)?)
        }
        ast::Expr::Compare(compare) => return chain(compare, depth),
        ast::Expr::IfExpr(choice) => What::Choice {
            test: child(&choice.test_expr)?,
            then: child(&choice.true_expr)?,
            otherwise: match &choice.false_expr {
                Some(otherwise) => Some(child(otherwise)?),
                None => None,
            },
        },
        ast::Expr::Filter(filter) => {
            let input = filter.expr.as_ref()?;
            What::Filter(applied(filter.name, input, &filter.args, depth)?)
        }
        ast::Expr::Test(test) => What::Test(applied(test.name, &test.expr, &test.args, depth)?),
        ast::Expr::Call(call) => {
            What::Call { function: child(&call.expr)?, arguments: arguments(&call.args, depth)? }
        }
        ast::Expr::List(list) => What::List(children(&list.items)?),
        ast::Expr::Tuple(tuple) => What::List(children(&tuple.items)?),
        ast::Expr::Map(map) => {
            let mut parts = children(&map.keys)?;
            parts.extend(children(&map.values)?);
            What::Map(parts)
        }
    };
    Some(Expression { range: whole_range(&what, range(tree.span())), what })
}

/// The engine lets `a.b.c` start at its last dot; here it starts where `a` does.
fn whole_range(what: &What, own: Range<usize>) -> Range<usize> {
    let start = match what {
        What::Field(input, _) | What::Index(input, _) | What::Slice(input, _) => input.range.start,
        What::Filter(applied) | What::Test(applied) => applied.input.range.start,
        _ => own.start,
    };
    start.min(own.start)..own.end
}

fn bounds(slice: &ast::Slice<'_>, depth: usize) -> Option<Vec<Expression>> {
    [&slice.start, &slice.stop, &slice.step]
        .into_iter()
        .flatten()
        .map(|bound| convert(bound, depth + 1))
        .collect()
}

fn applied(
    name: &str,
    input: &ast::Expr<'_>,
    given: &[CallArg<'_>],
    depth: usize,
) -> Option<Applied> {
    Some(Applied {
        name: name.to_owned(),
        input: Box::new(convert(input, depth + 1)?),
        arguments: arguments(given, depth)?,
    })
}

fn operation(kind: BinOpKind, left: Box<Expression>, right: Box<Expression>) -> What {
    match kind {
        BinOpKind::ScAnd | BinOpKind::ScOr => What::Logic(left, right),
        BinOpKind::Eq
        | BinOpKind::Ne
        | BinOpKind::Lt
        | BinOpKind::Lte
        | BinOpKind::Gt
        | BinOpKind::Gte => What::Comparison(left, right),
        BinOpKind::In => What::Within(left, right),
        BinOpKind::Concat => What::Joined(left, right),
        BinOpKind::Add => What::Sum(left, right),
        BinOpKind::Sub
        | BinOpKind::Mul
        | BinOpKind::Div
        | BinOpKind::FloorDiv
        | BinOpKind::Rem
        | BinOpKind::Pow => What::Arithmetic(left, right),
    }
}

/// `a < b < c` as `a < b and b < c`.
fn chain(compare: &ast::Spanned<ast::Compare<'_>>, depth: usize) -> Option<Expression> {
    let whole = range(compare.span());
    let mut left = convert(&compare.expr, depth + 1)?;
    let mut all: Option<Expression> = None;
    for next in &compare.ops {
        let right = convert(&next.expr, depth + 1)?;
        let pair = (Box::new(left), Box::new(right.clone()));
        let what = match next.op {
            CompareOpKind::In | CompareOpKind::NotIn => What::Within(pair.0, pair.1),
            CompareOpKind::Eq
            | CompareOpKind::Ne
            | CompareOpKind::Lt
            | CompareOpKind::Lte
            | CompareOpKind::Gt
            | CompareOpKind::Gte => What::Comparison(pair.0, pair.1),
        };
        let this = Expression { what, range: whole.clone() };
        all = Some(match all {
            None => this,
            Some(before) => Expression {
                what: What::Logic(Box::new(before), Box::new(this)),
                range: whole.clone(),
            },
        });
        left = right;
    }
    all
}

fn arguments(arguments: &[CallArg<'_>], depth: usize) -> Option<Vec<Expression>> {
    arguments
        .iter()
        .map(|argument| match argument {
            CallArg::Pos(value)
            | CallArg::Kwarg(_, value)
            | CallArg::PosSplat(value)
            | CallArg::KwargSplat(value) => convert(value, depth + 1),
        })
        .collect()
}

/// A constant of the syntax: text, a number, a boolean or none.
fn constant_value(value: &minijinja::Value) -> Value {
    if let Some(text) = value.as_str() {
        return Value::from(text);
    }
    if value.is_none() {
        return Value::None;
    }
    if let Ok(boolean) = bool::try_from(value.clone()) {
        return Value::Boolean(boolean);
    }
    if let Ok(number) = i128::try_from(value.clone()) {
        return Value::Integer(number);
    }
    f64::try_from(value.clone()).map_or(Value::None, Value::Number)
}

impl Expression {
    /// The parts directly below this one.
    pub(crate) fn parts(&self) -> Vec<&Expression> {
        match &self.what {
            What::Name(_) | What::Constant(_) => Vec::new(),
            What::Field(input, _) | What::Not(input) | What::Negative(input) => vec![input],
            What::Index(a, b)
            | What::Logic(a, b)
            | What::Sum(a, b)
            | What::Arithmetic(a, b)
            | What::Joined(a, b)
            | What::Within(a, b)
            | What::Comparison(a, b) => vec![a, b],
            What::Slice(input, more) => std::iter::once(&**input).chain(more).collect(),
            What::Choice { test, then, otherwise } => [Some(test), Some(then), otherwise.as_ref()]
                .into_iter()
                .flatten()
                .map(|part| &**part)
                .collect(),
            What::Filter(applied) | What::Test(applied) => {
                std::iter::once(&*applied.input).chain(&applied.arguments).collect()
            }
            What::Call { function, arguments } => {
                std::iter::once(&**function).chain(arguments).collect()
            }
            What::List(parts) | What::Map(parts) => parts.iter().collect(),
        }
    }

    /// The names of `a.b.c`, if it is such a path and nothing more.
    pub(crate) fn path(&self) -> Option<Vec<&str>> {
        match &self.what {
            What::Name(name) => Some(vec![name]),
            What::Field(input, name) => {
                let mut path = input.path()?;
                path.push(name);
                Some(path)
            }
            _ => None,
        }
    }

    /// Calls `see` with every path that is not part of a longer one.
    pub(crate) fn each_path(&self, see: &mut dyn FnMut(&[&str])) {
        if let Some(path) = self.path() {
            see(&path);
            return;
        }
        for part in self.parts() {
            part.each_path(see);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_what_only_contains_one() {
        let path = |text: &str| parse(text).unwrap().path().map(|path| path.join("/"));
        assert_eq!(path("steps.list.output.items"), Some("steps/list/output/items".to_owned()));
        assert_eq!(path("steps['list'].output"), Some("steps/list/output".to_owned()));
        assert_eq!(path("steps.list.output | length"), None);
        let mut seen = Vec::new();
        parse("inputs.a ~ (steps.b.status | default(run.id))")
            .unwrap()
            .each_path(&mut |path| seen.push(path.join(".")));
        assert_eq!(seen, ["inputs.a", "steps.b.status", "run.id"]);
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_refused_and_not_crashed_on() {
        let deep = [
            "-".repeat(MAX_BYTES - 1) + "1",
            "not ".repeat(500) + "true",
            "(".repeat(1_000) + "1" + &")".repeat(1_000),
            "1".to_owned() + &"+1".repeat(1_000),
            "a".to_owned() + &".a".repeat(1_000),
            "a".to_owned() + &"|d".repeat(1_000),
            "[".repeat(150) + &"]".repeat(150),
            "[".repeat(1_000),
            "x".repeat(MAX_BYTES + 1),
        ];
        for text in deep {
            assert!(parse(&text).is_err(), "{}", text.len());
        }
    }

    #[test]
    fn a_syntax_error_says_where() {
        let error = parse("inputs.a &&").unwrap_err();
        assert_eq!(error.reason, Reason::Syntax);
        assert!(error.range.start >= 9, "{error:?}");
        for text in [
            "a == 'b' && c",
            "'b' & 1",
            "a == 'x' $",
            "'a' 'b' ` 'c'",
            "a }} b",
            "'a' }} b",
            "a %} b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let range = parse("1 + steps.list.output.x").unwrap().parts()[1].range.clone();
        assert_eq!(range, 4..23);
    }
}
