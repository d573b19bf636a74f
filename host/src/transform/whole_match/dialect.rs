//! The part of regular expressions that means the same to Rust's parser and in ECMA-262 (with
//! the `u` flag, as JSON Schema asks for), and what it means.
//!
//! Whatever is not named here is refused: also what both accept and read differently, such as
//! `[a[b]`, `\b`, `[]a]`, `[--a]` and `a{ 2 }`.

use regex_syntax::ast::{
    AssertionKind, Ast, ClassBracketed, ClassPerl, ClassPerlKind, ClassSet, ClassSetItem,
    GroupKind, HexLiteralKind, Literal, LiteralKind, Repetition, RepetitionKind, RepetitionRange,
    SpecialLiteralKind,
};
use regex_syntax::hir::{self, Class, ClassUnicode, ClassUnicodeRange, Hir, Look};

/// ECMA-262's `\d`, `\w` and `\s`, and what `.` leaves out.
const DIGITS: &[(char, char)] = &[('0', '9')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
const SPACE: &[(char, char)] = &[
    ('\t', '\r'),
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{feff}', '\u{feff}'),
];
const LINE_ENDS: &[(char, char)] = &[('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')];

/// What may be escaped by a backslash: what has a meaning of its own.
const SYNTAX: &str = "^$\\.*+?()[]{}|/";

/// What an expression means, as a tree that a matcher is built from.
///
/// # Errors
/// What is refused, as the rest of a sentence.
pub(super) fn meaning(ast: &Ast, text: &str) -> Result<Hir, String> {
    let inner = |ast: &Ast| meaning(ast, text);
    Ok(match ast {
        Ast::Empty(_) => Hir::empty(),
        Ast::Literal(literal) => character(plain(literal)?),
        Ast::Dot(_) => except(LINE_ENDS),
        Ast::ClassPerl(named) => Hir::class(Class::Unicode(perl(named))),
        Ast::ClassBracketed(class) => Hir::class(Class::Unicode(bracketed(class)?)),
        Ast::Assertion(assertion) => Hir::look(match assertion.kind {
            AssertionKind::StartLine => Look::Start,
            AssertionKind::EndLine => Look::End,
            _ => return Err(refused("word boundaries, \\A and \\z", "^ and $")),
        }),
        Ast::Repetition(repetition) => repeated(repetition, text)?,
        Ast::Group(group) => match &group.kind {
            GroupKind::CaptureIndex(_) => inner(&group.ast)?,
            GroupKind::NonCapturing(flags) if flags.items.is_empty() => inner(&group.ast)?,
            GroupKind::NonCapturing(_) => return Err(flags()),
            GroupKind::CaptureName { .. } => {
                return Err(refused("named groups", "(…)"));
            }
        },
        Ast::Alternation(list) => {
            Hir::alternation(list.asts.iter().map(inner).collect::<Result<_, _>>()?)
        }
        Ast::Concat(list) => Hir::concat(list.asts.iter().map(inner).collect::<Result<_, _>>()?),
        Ast::Flags(_) => return Err(flags()),
        Ast::ClassUnicode(_) => return Err(properties()),
    })
}

fn repeated(repetition: &Repetition, text: &str) -> Result<Hir, String> {
    let nothing_to_repeat = matches!(
        *repetition.ast,
        Ast::Empty(_) | Ast::Assertion(_) | Ast::Repetition(_) | Ast::Flags(_)
    );
    if nothing_to_repeat {
        return Err(refused("a repetition of ^, $ or of a repetition", "(?:…)"));
    }
    let op = &repetition.op;
    let written = &text[op.span.start.offset..op.span.end.offset];
    if written.contains(char::is_whitespace) {
        return Err(refused("spaces within {…}", "{2,3}"));
    }
    let (min, max) = match &op.kind {
        RepetitionKind::ZeroOrOne => (0, Some(1)),
        RepetitionKind::ZeroOrMore => (0, None),
        RepetitionKind::OneOrMore => (1, None),
        RepetitionKind::Range(RepetitionRange::Exactly(count)) => (*count, Some(*count)),
        RepetitionKind::Range(RepetitionRange::AtLeast(min)) => (*min, None),
        RepetitionKind::Range(RepetitionRange::Bounded(min, max)) => (*min, Some(*max)),
    };
    Ok(Hir::repetition(hir::Repetition {
        min,
        max,
        greedy: repetition.greedy,
        sub: Box::new(meaning(&repetition.ast, text)?),
    }))
}

fn bracketed(class: &ClassBracketed) -> Result<ClassUnicode, String> {
    let mut found = ClassUnicode::empty();
    match &class.kind {
        ClassSet::BinaryOp(_) => {
            return Err(refused("&&, -- and ~~ within […]", "a class without them"));
        }
        ClassSet::Item(ClassSetItem::Union(union)) => {
            let last = union.items.len().saturating_sub(1);
            for (place, item) in union.items.iter().enumerate() {
                self::item(item, place == 0 || place == last, &mut found)?;
            }
        }
        ClassSet::Item(only) => item(only, true, &mut found)?,
    }
    if class.negated {
        found.negate();
    }
    Ok(found)
}

/// One item of a class; `at_an_end` where it is the first or the last, as `-` has to be.
fn item(item: &ClassSetItem, at_an_end: bool, found: &mut ClassUnicode) -> Result<(), String> {
    match item {
        ClassSetItem::Literal(literal) => {
            let c = member(literal, at_an_end)?;
            found.push(ClassUnicodeRange::new(c, c));
        }
        ClassSetItem::Range(range) => {
            let (start, end) = (member(&range.start, false)?, member(&range.end, false)?);
            found.push(ClassUnicodeRange::new(start, end));
        }
        ClassSetItem::Perl(named) => found.union(&perl(named)),
        ClassSetItem::Bracketed(_) | ClassSetItem::Union(_) | ClassSetItem::Empty(_) => {
            return Err(refused("[ within […]", "\\["));
        }
        ClassSetItem::Ascii(_) => return Err(refused("[:…:]", "ranges such as a-z")),
        ClassSetItem::Unicode(_) => return Err(properties()),
    }
    Ok(())
}

/// A character of a class.
fn member(literal: &Literal, at_an_end: bool) -> Result<char, String> {
    match (&literal.kind, literal.c) {
        (LiteralKind::Verbatim, '[' | ']') => {
            Err(refused("[ or ] as itself within […]", "\\[ or \\]"))
        }
        (LiteralKind::Verbatim, '-') if !at_an_end => Err(refused("- in the middle of […]", "\\-")),
        (LiteralKind::Verbatim | LiteralKind::Meta, '-') => Ok('-'),
        (LiteralKind::Verbatim, c) => Ok(c),
        _ => plain(literal),
    }
}

/// A character outside of classes.
fn plain(literal: &Literal) -> Result<char, String> {
    let c = literal.c;
    match &literal.kind {
        LiteralKind::Verbatim if matches!(c, ']' | '}') => {
            Err(refused("] or } as itself", "\\] or \\}"))
        }
        LiteralKind::Verbatim => Ok(c),
        LiteralKind::Meta | LiteralKind::Superfluous if SYNTAX.contains(c) => Ok(c),
        LiteralKind::Meta | LiteralKind::Superfluous => Err(format!(
            "escapes \"{c}\", which not all readers allow; write it without the backslash"
        )),
        LiteralKind::HexFixed(HexLiteralKind::X | HexLiteralKind::UnicodeShort) => Ok(c),
        LiteralKind::Special(
            SpecialLiteralKind::FormFeed
            | SpecialLiteralKind::Tab
            | SpecialLiteralKind::LineFeed
            | SpecialLiteralKind::CarriageReturn
            | SpecialLiteralKind::VerticalTab,
        ) => Ok(c),
        LiteralKind::Octal
        | LiteralKind::HexFixed(HexLiteralKind::UnicodeLong)
        | LiteralKind::HexBrace(_)
        | LiteralKind::Special(SpecialLiteralKind::Bell | SpecialLiteralKind::Space) => {
            Err(refused(
                "this way to write a character",
                "\\xHH, \\uHHHH or the character",
            ))
        }
    }
}

fn perl(named: &ClassPerl) -> ClassUnicode {
    let mut class = class(match named.kind {
        ClassPerlKind::Digit => DIGITS,
        ClassPerlKind::Space => SPACE,
        ClassPerlKind::Word => WORD,
    });
    if named.negated {
        class.negate();
    }
    class
}

fn class(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(
        ranges
            .iter()
            .map(|(start, end)| ClassUnicodeRange::new(*start, *end)),
    )
}

fn except(ranges: &[(char, char)]) -> Hir {
    let mut class = class(ranges);
    class.negate();
    Hir::class(Class::Unicode(class))
}

fn character(c: char) -> Hir {
    Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
}

fn refused(what: &str, instead: &str) -> String {
    format!("has {what}, which not all readers take alike; write {instead}")
}

fn flags() -> String {
    refused("flags", "it without them")
}

fn properties() -> String {
    refused("\\p{…}", "ranges such as a-z")
}
