//! One walk over a component's bytes: what it imports and exports, who made it, and what it
//! takes to instantiate it. Sections that say nothing of that are passed over, code too.

use std::mem::replace;

use wasmparser::{
    CanonicalFunction, CanonicalOption, Chunk, ComponentAlias, ComponentExternalKind,
    ComponentInstance, ComponentOuterAliasKind, Encoding, Instance, Parser, Payload,
};

use super::super::guest_log::printable;
use super::maker::Maker;
use super::needs::Footprint;

/// How deep components may stand in each other, and how many modules, components, imports
/// and exports are looked at. Toolchains stay below a hundredth of it.
const MAX_DEPTH: usize = 100;
const MAX_ITEMS: usize = 10_000;

/// How much of the parser's words is repeated, in characters.
const MAX_CHARS: usize = 300;

/// What a file says of itself.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    /// What it wants of its host, by name; types by themselves do nothing and are left out.
    pub(super) imports: Vec<&'a str>,
    pub(super) exports: Vec<&'a str>,
    pub(super) maker: Maker,
    pub(super) needs: Footprint,
    /// It has functions of the asynchronous calling convention.
    pub(super) asynchronous: bool,
    /// A core module has the bindings of a component.
    pub(super) has_bindings: bool,
    /// A core module has debug information that tells of lines.
    pub(super) has_lines: bool,
}

/// A module or component whose end has not come yet.
enum Open {
    Module(Footprint),
    Component(Definitions),
}

/// What can be instantiated inside a component, by index, and what it takes so far.
#[derive(Default)]
struct Definitions {
    modules: Vec<Footprint>,
    components: Vec<Footprint>,
    total: Footprint,
}

impl<'a> Outline<'a> {
    /// Reads a component, or a core module.
    ///
    /// The error says where the bytes stop to make sense.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut outline = Self::default();
        outline.walk(bytes).map_err(|fault| match fault {
            WalkError::Damaged(error) => format!(
                "it is damaged or cut off at byte {} of {} ({}): build it again, or copy it again",
                error.offset(),
                bytes.len(),
                printable(error.message(), MAX_CHARS)
            ),
            WalkError::CutOff => format!(
                "it is cut off at byte {}, within a module or its code: build it again, or copy it \
                 again",
                bytes.len()
            ),
            WalkError::TooMuch(what) => format!("it has {what}, which no toolchain writes"),
        })?;
        Ok(outline)
    }

    fn walk(&mut self, bytes: &'a [u8]) -> Result<(), WalkError> {
        let mut rest = bytes;
        let mut parser = Parser::new(0);
        let mut around = Vec::new();
        let mut open = Vec::new();
        // More data is wanted only of streams, and this is whole.
        while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
            rest = rest.get(consumed..).unwrap_or_default();
            match payload {
                Payload::Version { encoding, .. } => open.push(match encoding {
                    Encoding::Module => Open::Module(Footprint::of_module()),
                    Encoding::Component => Open::Component(Definitions::default()),
                }),
                Payload::ModuleSection {
                    parser: inner,
                    unchecked_range: range,
                }
                | Payload::ComponentSection {
                    parser: inner,
                    unchecked_range: range,
                } => {
                    if range.end > bytes.len() {
                        return Err(WalkError::CutOff);
                    }
                    if around.len() >= MAX_DEPTH {
                        return Err(WalkError::TooMuch("components within components, 100 deep"));
                    }
                    around.push(replace(&mut parser, inner));
                }
                Payload::CodeSectionStart { size, .. } => {
                    parser.skip_section();
                    rest = rest.get(size as usize..).ok_or(WalkError::CutOff)?;
                }
                Payload::End(_) => {
                    self.close(&mut open)?;
                    match around.pop() {
                        Some(outer) => parser = outer,
                        None => break,
                    }
                }
                payload => self.note(&mut open, payload)?,
            }
        }
        Ok(())
    }

    /// A module or component that has ended can be instantiated by what is around it.
    fn close(&mut self, open: &mut Vec<Open>) -> Result<(), WalkError> {
        let ended = open.pop();
        match (ended, open.last_mut()) {
            (Some(Open::Module(needs)), Some(Open::Component(level))) => {
                push(&mut level.modules, needs)
            }
            (Some(Open::Component(inner)), Some(Open::Component(level))) => {
                push(&mut level.components, inner.total)
            }
            (Some(Open::Component(level)), _) => {
                self.needs = level.total;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, open: &mut [Open], payload: Payload<'a>) -> Result<(), WalkError> {
        if let Payload::CustomSection(section) = &payload {
            self.maker = self.maker.max(Maker::of_section(section));
            self.has_bindings |= section.name().starts_with("component-type");
            self.has_lines |= section.name() == ".debug_line";
            return Ok(());
        }
        let outermost = open.len() == 1;
        match open.split_last_mut() {
            Some((Open::Module(needs), _)) => self.note_of_module(needs, payload, outermost),
            Some((Open::Component(level), around)) => {
                if outermost {
                    self.note_of_outermost(&payload)?;
                }
                self.note_of_component(level, around, payload)
            }
            None => Ok(()),
        }
    }

    fn note_of_module(
        &mut self,
        needs: &mut Footprint,
        payload: Payload<'a>,
        outermost: bool,
    ) -> Result<(), WalkError> {
        match payload {
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    needs.add_memory(memory.initial, memory.page_size_log2);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    needs.add_table(table?.ty.initial);
                }
            }
            Payload::ImportSection(section) if outermost => {
                for import in section.into_imports() {
                    push(&mut self.imports, import?.module)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note_of_outermost(&mut self, payload: &Payload<'a>) -> Result<(), WalkError> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import?;
                    if import.ty.kind() != ComponentExternalKind::Type {
                        push(&mut self.imports, import.name.name)?;
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    push(&mut self.exports, export?.name.name)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note_of_component(
        &mut self,
        level: &mut Definitions,
        around: &[Open],
        payload: Payload<'a>,
    ) -> Result<(), WalkError> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        level.total.add(&at(&level.modules, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        level.total.add(&at(&level.components, component_index));
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    level.define(import?.ty.kind(), Footprint::default())?;
                }
            }
            // What is exported has an index of its own from there on.
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    level.define(export.kind, level.find(export.kind, export.index))?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    let alias = alias?;
                    if let ComponentAlias::CoreInstanceExport { name, .. } = alias {
                        self.maker = self.maker.max(Maker::of_part(name));
                    }
                    level.alias(around, &alias)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.asynchronous |= is_asynchronous(&function?);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Definitions {
    fn find(&self, kind: ComponentExternalKind, index: u32) -> Footprint {
        match kind {
            ComponentExternalKind::Module => at(&self.modules, index),
            ComponentExternalKind::Component => at(&self.components, index),
            _ => Footprint::default(),
        }
    }

    fn define(&mut self, kind: ComponentExternalKind, needs: Footprint) -> Result<(), WalkError> {
        match kind {
            ComponentExternalKind::Module => push(&mut self.modules, needs),
            ComponentExternalKind::Component => push(&mut self.components, needs),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, around: &[Open], alias: &ComponentAlias<'_>) -> Result<(), WalkError> {
        match *alias {
            // What an instance hands out is not followed.
            ComponentAlias::InstanceExport { kind, .. } => self.define(kind, Footprint::default()),
            ComponentAlias::Outer { kind, count, index } => {
                let kind = match kind {
                    ComponentOuterAliasKind::CoreModule => ComponentExternalKind::Module,
                    ComponentOuterAliasKind::Component => ComponentExternalKind::Component,
                    _ => return Ok(()),
                };
                let outer = around.iter().rev().nth((count as usize).wrapping_sub(1));
                let needs = match outer {
                    _ if count == 0 => self.find(kind, index),
                    Some(Open::Component(level)) => level.find(kind, index),
                    _ => Footprint::default(),
                };
                self.define(kind, needs)
            }
            ComponentAlias::CoreInstanceExport { .. } => Ok(()),
        }
    }
}

/// Why a walk ended early.
enum WalkError {
    Damaged(wasmparser::Error),
    /// A part is said to be there whose end is not.
    CutOff,
    TooMuch(&'static str),
}

impl From<wasmparser::Error> for WalkError {
    fn from(error: wasmparser::Error) -> Self {
        Self::Damaged(error)
    }
}

/// An index that leads nowhere is for the engine to refuse.
fn at(items: &[Footprint], index: u32) -> Footprint {
    items.get(index as usize).copied().unwrap_or_default()
}

fn push<T>(items: &mut Vec<T>, item: T) -> Result<(), WalkError> {
    if items.len() >= MAX_ITEMS {
        return Err(WalkError::TooMuch(
            "more than 10000 modules, components, imports or exports",
        ));
    }
    items.push(item);
    Ok(())
}

/// Functions of resources are the only ones that synchronous components have besides.
fn is_asynchronous(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.contains(&CanonicalOption::Async)
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        _ => true,
    }
}
