//! Regular expressions by the grammar of ECMA-262 with the `u` flag, as sets of places: no
//! backtracking, so that none takes for ever. What is not read here finds nothing.

use std::collections::BTreeSet;

enum Node {
    /// One character of these ranges, or of none of them.
    One(Vec<(char, char)>, bool),
    Start,
    End,
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// Whether the expression matches the text, or a part of it.
pub(super) fn finds(pattern: &str, text: &str) -> bool {
    let mut parser = Parser {
        rest: pattern.chars().collect(),
    };
    parser.rest.reverse();
    let Some(node) = parser.alternatives() else {
        return false;
    };
    let text: Vec<char> = text.chars().collect();
    let everywhere = (0..=text.len()).collect();
    parser.rest.is_empty() && !node.ends(&text, &everywhere).is_empty()
}

impl Node {
    /// Where a match can end that begins at one of these places.
    fn ends(&self, text: &[char], from: &BTreeSet<usize>) -> BTreeSet<usize> {
        match self {
            Self::One(ranges, negated) => from
                .iter()
                .filter(|place| {
                    text.get(**place).is_some_and(|c| {
                        ranges.iter().any(|(start, end)| (start..=end).contains(&c)) != *negated
                    })
                })
                .map(|place| place + 1)
                .collect(),
            Self::Start => from.iter().copied().filter(|place| *place == 0).collect(),
            Self::End => from
                .iter()
                .copied()
                .filter(|place| *place == text.len())
                .collect(),
            Self::Sequence(nodes) => nodes
                .iter()
                .fold(from.clone(), |from, node| node.ends(text, &from)),
            Self::Alternatives(nodes) => nodes
                .iter()
                .flat_map(|node| node.ends(text, from))
                .collect(),
            Self::Repeat(node, least, most) => repeat(node, *least, *most, text, from),
        }
    }
}

fn repeat(
    node: &Node,
    least: u32,
    most: Option<u32>,
    text: &[char],
    from: &BTreeSet<usize>,
) -> BTreeSet<usize> {
    let mut places = from.clone();
    for _ in 0..least {
        let next = node.ends(text, &places);
        if next == places {
            break;
        }
        places = next;
    }
    let mut found = places.clone();
    let mut turns = least;
    while most.is_none_or(|most| turns < most) {
        places = node.ends(text, &places);
        let before = found.len();
        found.extend(places.iter().copied());
        if found.len() == before {
            break;
        }
        turns += 1;
    }
    found
}

const DIGIT: &[(char, char)] = &[('0', '9')];
const WORD: &[(char, char)] = &[('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
const SPACE: &[(char, char)] = &[
    ('\u{9}', '\u{d}'),
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
const SYNTAX: &str = "^$\\.*+?()[]{}|/";

/// What is left of the pattern, its next character last.
struct Parser {
    rest: Vec<char>,
}

/// What one escape stands for.
enum Escape {
    Character(char),
    Class(Vec<(char, char)>),
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.last().copied()
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.rest.pop();
        }
        there
    }

    fn alternatives(&mut self) -> Option<Node> {
        let mut found = vec![self.sequence()?];
        while self.take('|') {
            found.push(self.sequence()?);
        }
        Some(Node::Alternatives(found))
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut found = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            found.push(self.term()?);
        }
        Some(Node::Sequence(found))
    }

    fn term(&mut self) -> Option<Node> {
        let atom = match self.rest.pop()? {
            '^' => return Some(Node::Start),
            '$' => return Some(Node::End),
            '.' => Node::One(LINE_ENDS.to_vec(), true),
            '(' => {
                if self.take('?') && !self.take(':') {
                    return None;
                }
                let inner = self.alternatives()?;
                self.take(')').then_some(inner)?
            }
            '[' => self.class()?,
            '\\' => match self.escape(false)? {
                Escape::Character(c) => Node::One(vec![(c, c)], false),
                Escape::Class(ranges) => Node::One(ranges, false),
            },
            c if SYNTAX.contains(c) && c != '/' => return None,
            c => Node::One(vec![(c, c)], false),
        };
        self.repeated(atom)
    }

    fn repeated(&mut self, atom: Node) -> Option<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.rest.pop();
                let least = self.count()?;
                let most = match self.take(',') {
                    true if self.peek() == Some('}') => None,
                    true => Some(self.count()?),
                    false => Some(least),
                };
                if self.peek() != Some('}') || most.is_some_and(|most| most < least) {
                    return None;
                }
                (least, most)
            }
            _ => return Some(atom),
        };
        self.rest.pop();
        self.take('?');
        Some(Node::Repeat(Box::new(atom), least, most))
    }

    fn count(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            self.rest.pop();
            digits.push(c);
        }
        digits.parse().ok()
    }

    fn class(&mut self) -> Option<Node> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        while !self.take(']') {
            let start = match self.member()? {
                Escape::Character(c) => c,
                // A class is no end of a range.
                Escape::Class(_) if self.is_range() => return None,
                Escape::Class(class) => {
                    ranges.extend(class);
                    continue;
                }
            };
            let end = match self.is_range() {
                true => {
                    self.rest.pop();
                    match self.member()? {
                        Escape::Character(c) => c,
                        Escape::Class(_) => return None,
                    }
                }
                false => start,
            };
            if start > end {
                return None;
            }
            ranges.push((start, end));
        }
        Some(Node::One(ranges, negated))
    }

    /// Whether a hyphen comes next that is not the last of its class.
    fn is_range(&self) -> bool {
        self.peek() == Some('-') && self.rest.iter().rev().nth(1) != Some(&']')
    }

    fn member(&mut self) -> Option<Escape> {
        match self.rest.pop()? {
            '\\' => self.escape(true),
            c => Some(Escape::Character(c)),
        }
    }

    fn escape(&mut self, in_class: bool) -> Option<Escape> {
        let c = self.rest.pop()?;
        let class = match c.to_ascii_lowercase() {
            'd' => Some(DIGIT),
            'w' => Some(WORD),
            's' => Some(SPACE),
            _ => None,
        };
        if let Some(ranges) = class {
            return Some(Escape::Class(match c.is_ascii_uppercase() {
                true => complement(ranges),
                false => ranges.to_vec(),
            }));
        }
        let character = match c {
            't' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            'x' => self.hexadecimal(2)?,
            'u' => self.hexadecimal(4)?,
            '-' if in_class => '-',
            c if SYNTAX.contains(c) => c,
            _ => return None,
        };
        Some(Escape::Character(character))
    }

    fn hexadecimal(&mut self, digits: u32) -> Option<char> {
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + self.rest.pop()?.to_digit(16)?;
        }
        char::from_u32(code)
    }
}

/// All characters that are in none of the ranges.
fn complement(ranges: &[(char, char)]) -> Vec<(char, char)> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut found = Vec::new();
    let mut next = Some('\0');
    for (start, end) in sorted {
        if let Some(from) = next.filter(|from| *from < start) {
            found.push((from, before(start)));
        }
        next = after(end);
    }
    found.extend(next.map(|from| (from, char::MAX)));
    found
}

fn before(c: char) -> char {
    ('\0'..c).next_back().unwrap_or('\0')
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}
