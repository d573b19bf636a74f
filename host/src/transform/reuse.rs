//! Machine code of single functions, kept from one compilation to the next: a component that
//! has the same engine inside as one before has most of its functions too.
//!
//! A function is known by the digest of all that its code depends on, which the engine takes.
//! Here stand what is handed to a child that compiles, what it hands back, and the bytes in
//! between; where pieces are kept in the meantime is for the state folder.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use wasmtime::CacheStore;

use super::compile::{CompileError, CompiledCode, compile_here};
use super::engine::Engine;

/// How many pieces are handed over at most: their uses are told in the bits of one number.
pub const MAX_PIECES: usize = 64;

/// The digest of a function, in bytes.
const KEY: usize = 32;

/// Numbers before the code: its length, what was reused, what was compiled, which pieces.
const HEAD: usize = 4 * 8;

/// What one compilation has made for later ones: functions, each with the digest before it and
/// the length of its code.
pub type Piece = Vec<u8>;

/// What a compilation took from earlier ones, and leaves to later ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// Functions whose code was there.
    pub reused: u64,
    /// Functions that were compiled.
    pub compiled: u64,
    /// Places of the pieces that something was taken from.
    pub used: Vec<usize>,
    /// What was compiled.
    pub new_piece: Piece,
}

/// What a child is given, in this order: the component, then the pieces, each with its length
/// before it.
pub(super) fn handed_over<'a>(component: &'a [u8], pieces: &'a [Piece]) -> Vec<Cow<'a, [u8]>> {
    let parts = std::iter::once(component).chain(pieces.iter().map(Vec::as_slice));
    let with_length = |part: &'a [u8]| {
        let length = (part.len() as u64).to_be_bytes().to_vec();
        [Cow::Owned(length), Cow::Borrowed(part)]
    };
    parts.flat_map(with_length).collect()
}

/// Reads what `handed_over` wrote.
///
/// # Errors
/// It ends too early.
pub fn take_over(from: &mut impl Read) -> io::Result<(Vec<u8>, Vec<Piece>)> {
    let mut parts = Vec::new();
    loop {
        let mut length = [0; 8];
        match from.read(&mut length[..1])? {
            0 => break,
            _ => from.read_exact(&mut length[1..])?,
        }
        let length = u64::from_be_bytes(length);
        let mut part = Vec::new();
        if from.take(length).read_to_end(&mut part)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        parts.push(part);
    }
    let mut parts = parts.into_iter();
    let component = parts.next().unwrap_or_default();
    Ok((component, parts.collect()))
}

/// Compiles in this process, with what earlier compilations have made.
///
/// # Errors
/// What is wrong with the component.
pub fn compile_here_reusing(
    stack: usize,
    component: &[u8],
    pieces: Vec<Piece>,
) -> Result<(CompiledCode, Reuse), CompileError> {
    let functions = Arc::new(Functions::of(pieces));
    let engine = Engine::reusing(stack, functions.clone())
        .map_err(|error| CompileError::NoEngine(error.to_string()))?;
    let compiled = compile_here(&engine, component)?;
    Ok((compiled, functions.report()))
}

/// Writes what a child hands back: the code, and what is good for later.
///
/// # Errors
/// The code cannot be written. Nobody may want the rest.
pub fn hand_back(to: &mut impl Write, code: &CompiledCode, reuse: &Reuse) -> io::Result<()> {
    let used = reuse
        .used
        .iter()
        .fold(0, |bits, place| bits | 1_u64 << place);
    let length = code.code().len() as u64;
    for number in [length, reuse.reused, reuse.compiled, used] {
        to.write_all(&number.to_be_bytes())?;
    }
    to.write_all(code.code())?;
    let _ = to.write_all(&reuse.new_piece);
    to.flush()
}

/// Reads what `hand_back` wrote. The last function is left out where the bytes end within it.
pub(super) fn taken_back(mut bytes: Vec<u8>) -> Option<(Vec<u8>, Reuse)> {
    let [length, reused, compiled, used] = [0, 1, 2, 3].map(|place| number(&bytes, place));
    let (length, used) = (usize::try_from(length?).ok()?, used?);
    let (reused, compiled) = (reused?, compiled?);
    let end = HEAD.checked_add(length).filter(|end| *end <= bytes.len())?;
    let mut new_piece = bytes.split_off(end);
    let whole = functions_of(&new_piece)
        .last()
        .map_or(0, |(_, code)| code.end);
    new_piece.truncate(whole);
    bytes.drain(..HEAD);
    let used = (0..MAX_PIECES).filter(|place| used & (1 << place) != 0);
    let reuse = Reuse {
        reused,
        compiled,
        used: used.collect(),
        new_piece,
    };
    Some((bytes, reuse))
}

/// How much of what `hand_back` wrote is code, in bytes.
pub(super) fn code_length(bytes: &[u8]) -> Option<u64> {
    number(bytes, 0)
}

fn number(bytes: &[u8], place: usize) -> Option<u64> {
    let bytes = bytes.get(place * size_of::<u64>()..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}

/// The functions of a piece: the digest of each, and where its code is.
fn functions_of(piece: &[u8]) -> impl Iterator<Item = ([u8; KEY], std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let key = *piece.get(at..)?.first_chunk::<KEY>()?;
        let length = *piece.get(at + KEY..)?.first_chunk()?;
        let start = at + KEY + size_of::<u32>();
        let end = start.checked_add(usize::try_from(u32::from_be_bytes(length)).ok()?)?;
        at = end;
        (end <= piece.len()).then_some((key, start..end))
    })
}

/// What the engine asks for functions while it compiles.
#[derive(Debug)]
pub(super) struct Functions {
    pieces: Vec<Piece>,
    places: HashMap<[u8; KEY], (usize, std::ops::Range<usize>)>,
    /// A bit for each piece.
    used: AtomicU64,
    reused: AtomicU64,
    compiled: AtomicU64,
    new_functions: Mutex<HashMap<[u8; KEY], Vec<u8>>>,
}

impl Functions {
    fn of(mut pieces: Vec<Piece>) -> Self {
        pieces.truncate(MAX_PIECES);
        let mut places = HashMap::new();
        for (number, piece) in pieces.iter().enumerate() {
            places.extend(functions_of(piece).map(|(key, code)| (key, (number, code))));
        }
        Self {
            pieces,
            places,
            used: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            compiled: AtomicU64::new(0),
            new_functions: Mutex::default(),
        }
    }

    fn report(&self) -> Reuse {
        let used = self.used.load(Ordering::Relaxed);
        let mut piece = Vec::new();
        for (key, code) in self.new_functions.lock().iter() {
            piece.extend(key);
            piece.extend(u32::try_from(code.len()).unwrap_or(u32::MAX).to_be_bytes());
            piece.extend(code);
        }
        Reuse {
            reused: self.reused.load(Ordering::Relaxed),
            compiled: self.compiled.load(Ordering::Relaxed),
            used: (0..MAX_PIECES)
                .filter(|place| used & (1 << place) != 0)
                .collect(),
            new_piece: piece,
        }
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let found = match self.places.get(key) {
            Some((number, code)) => {
                self.used.fetch_or(1 << number, Ordering::Relaxed);
                Cow::Borrowed(&self.pieces[*number][code.clone()])
            }
            // The component may have a function twice.
            None => Cow::Owned(self.new_functions.lock().get(key)?.clone()),
        };
        self.reused.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    fn insert(&self, key: &[u8], code: Vec<u8>) -> bool {
        self.compiled.fetch_add(1, Ordering::Relaxed);
        let (Ok(key), Ok(_)) = (key.try_into(), u32::try_from(code.len())) else {
            return false;
        };
        self.new_functions.lock().insert(key, code);
        true
    }
}

#[cfg(test)]
mod tests;
