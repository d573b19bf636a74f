//! Components written as text, for tests of the host: well-behaved ones of a family that
//! no host has heard of (`ticks:{symbol}`), and hostile ones made from them by replacing a
//! piece. `descriptor` lays out what it says of itself, `text` is the component, `stamped`
//! has the revisions that one can tell apart by what they publish, `telling` those that tell
//! their settings.

mod descriptor;
mod stamped;
mod telling;
mod text;

use std::path::{Path, PathBuf};

pub use descriptor::{Allowed, Descriptor, Expected, Family, Sample};
pub use stamped::{Breaking, Failing};
use text::Wrapping;

/// The upstream channels that the ticks come from begin like this; the symbol follows.
pub const FEED: &str = "feed:ticks:";

/// A function that a component's module has from its imports.
#[derive(Debug, Clone)]
struct HostFunction {
    name: String,
    core_type: String,
    canon: String,
}

/// A component to be. It publishes an event of `feed:ticks:ABC` on `ticks:ABC` as it is;
/// where the symbol begins with `X`, `when_bad` runs first.
#[derive(Debug, Clone)]
pub struct Guest {
    pub descriptor: Descriptor,
    describe: String,
    configure: String,
    when_bad: String,
    fields: String,
    component_fields: String,
    host: Vec<HostFunction>,
    wrapping: Option<Wrapping>,
}

impl Guest {
    pub fn ticks() -> Self {
        Self {
            descriptor: Descriptor::ticks(),
            describe: String::new(),
            configure: String::new(),
            when_bad: String::new(),
            fields: String::new(),
            component_fields: String::new(),
            host: Vec::new(),
            wrapping: None,
        }
    }

    /// Instructions that run before `describe` answers with what begins at `$said`: the pointer
    /// to its name, and its length.
    pub fn describe(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.describe);
        self
    }

    /// Instructions that run before `configure` answers.
    pub fn configure(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.configure);
        self
    }

    /// Instructions that run first where the symbol begins with `X`. In reach: the locals
    /// `$ch $chl $pl $pll` (channel and payload), the functions `$write`, `$publish`,
    /// `$many` and `$echo` of `text`.
    pub fn when_bad(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.when_bad);
        self
    }

    /// Further fields of the core module: globals, tables, a start function.
    pub fn fields(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.fields);
        self
    }

    /// With functions that nobody calls; a thousand take a compiler some tenths of a second.
    pub fn laborious(self, functions: usize) -> Self {
        let step = "(local.set 0 (i32.rotl (i32.mul (local.get 0) (i32.const 77)) (local.get 1)))";
        let function = format!("(func (param i32 i32) {})", step.repeat(400));
        self.fields(&function.repeat(functions))
    }

    /// Further fields of the component, before all others: imports.
    pub fn component_fields(mut self, wat: &str) -> Self {
        wat.clone_into(&mut self.component_fields);
        self
    }

    /// A function of an import for its instructions, which call it as `$name`: its type for a
    /// core module, such as `(param i32)`, and how it comes to be of the imports, such as
    /// `(canon lower (func $clock "now") (memory $memory))`.
    pub fn host(mut self, name: &str, core_type: &str, canon: &str) -> Self {
        self.host.push(HostFunction {
            name: name.into(),
            core_type: core_type.into(),
            canon: canon.into(),
        });
        self
    }

    /// Changes what it says of itself.
    pub fn descriptor(mut self, change: impl FnOnce(&mut Descriptor)) -> Self {
        change(&mut self.descriptor);
        self
    }

    /// The component as text.
    pub fn text(&self) -> String {
        text::component(self)
    }

    /// The component in its binary form.
    pub fn binary(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Writes it into a file of this folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.wasm", self.descriptor.name));
        std::fs::write(&path, self.binary()).expect("a file in one's own folder");
        path
    }
}
