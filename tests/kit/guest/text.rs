//! The text of a component: the contract's types, a module for the memory, a module for
//! the code, and the exported interface. What varies comes from the `Guest`; what stands around
//! a payload is a `Wrapping`.

use std::fmt::Write;

use super::{FEED, Guest};

/// Where the descriptor's bytes begin.
const IMAGE: u32 = 4096;

/// Where the pieces of a wrapping are, the settings of `configure`, and the wrapped data.
const BEFORE: u32 = 0x1e_0000;
const MIDDLE: u32 = 0x1e_4000;
const AFTER: u32 = 0x1e_8000;
pub(super) const SETTINGS: u32 = 0x1f_0000;
const WRAPPED: u32 = 0x20_0000;

/// What the data has besides the payload: `before`, the payload, `after`; or `before`, the
/// settings, `middle`, the payload, `after`.
#[derive(Debug, Clone, Default)]
pub(super) struct Wrapping {
    pub before: String,
    /// Set where the settings are shown.
    pub middle: Option<String>,
    pub after: String,
}

impl Wrapping {
    /// `$wrap`, which puts the pieces together at `WRAPPED` and gives their length.
    fn function(&self) -> String {
        let mut data = String::new();
        let mut steps = String::new();
        let mut piece = |at: u32, text: &str| {
            let length = text.len();
            writeln!(
                data,
                r#"  (data (i32.const {at}) "{}")"#,
                escaped(text.as_bytes())
            )
            .expect("a String takes all");
            format!("(call $append (i32.const {at}) (i32.const {length}))\n")
        };
        steps.push_str(&piece(BEFORE, &self.before));
        if let Some(middle) = &self.middle {
            let settings = format!("(call $append (i32.const {SETTINGS}) (global.get $settings))");
            steps.push_str(&settings);
            steps.push_str(&piece(MIDDLE, middle));
        }
        steps.push_str("(call $append (local.get $pl) (local.get $pll))\n");
        steps.push_str(&piece(AFTER, &self.after));
        format!(
            "{data}
  (global $end (mut i32) (i32.const {WRAPPED}))
  (func $append (param $from i32) (param $length i32)
    (memory.copy (global.get $end) (local.get $from) (local.get $length))
    (global.set $end (i32.add (global.get $end) (local.get $length))))
  (func $wrap (param $pl i32) (param $pll i32) (result i32)
    (global.set $end (i32.const {WRAPPED}))
    {steps}
    (i32.sub (global.get $end) (i32.const {WRAPPED})))"
        )
    }
}

pub(super) fn component(guest: &Guest) -> String {
    let (bytes, descriptor, configuration) = guest.descriptor.layout(IMAGE);
    let image = escaped(&bytes);
    let (wrap, data) = match &guest.wrapping {
        None => (String::new(), "(local.get $pl) (local.get $pll)".to_owned()),
        Some(wrapping) => (
            wrapping.function(),
            format!("(i32.const {WRAPPED}) (call $wrap (local.get $pl) (local.get $pll))"),
        ),
    };
    let mut text = format!(
        "(component\n{}\n{TYPES}\n{MEMORY}\n{}\n(core module $code\n{}\n",
        guest.component_fields,
        of_host(guest, |name, _, canon| format!(
            "(core func ${name} {canon})\n"
        )),
        of_host(guest, |name, ty, _| format!(
            "(import \"host\" \"{name}\" (func ${name} {ty}))\n"
        )),
    );
    let exports = of_host(guest, |name, _, _| {
        format!("(export \"{name}\" (func ${name}))")
    });
    let exports = EXPORTS.replacen(ITS_OWN, &format!("{ITS_OWN} {exports}"), 1);
    text.push_str(CODE);
    write!(
        text,
        r#"
  (data (i32.const {IMAGE}) "{image}")
  (data (i32.const 1024) "{family}:")
  (data (i32.const 896) "{message_type}")
  {fields}
  {wrap}
  (global $settings (mut i32) (i32.const 0))
  (global $at (mut i64) (i64.const 0))
  (func (export "configure") (param i32 i32) (result i32)
    (memory.copy (i32.const {SETTINGS}) (local.get 0) (local.get 1))
    (global.set $settings (local.get 1))
    {configure}
    (global.set $bump (i32.const 0x20000))
    (i32.const {configuration}))
  (func (export "describe") (result i32) (local $said i32)
    (local.set $said (i32.const {descriptor}))
    {describe}
    (local.get $said))
  (func $publish (param i32 i32 i32 i32) (result i32)
    (call $many (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 1)))
  (func $many (param $c i32) (param $cl i32) (param $d i32) (param $dl i32) (param $count i32)
    (result i32)
    (call $publications (local.get $c) (local.get $cl) (local.get $d) (local.get $dl)
      (local.get $count) (i32.const 896) (i32.const {type_length})))
  (func $echo (param $ch i32) (param $chl i32) (param $pl i32) (param $pll i32) (result i32)
    (memory.copy (i32.add (i32.const 1024) (i32.const {own}))
      (i32.add (local.get $ch) (i32.const {feed})) (i32.sub (local.get $chl) (i32.const {feed})))
    (call $publish (i32.const 1024)
      (i32.add (i32.const {own}) (i32.sub (local.get $chl) (i32.const {feed})))
      {data}))
  (func $answer (param $ch i32) (param $chl i32) (param $pl i32) (param $pll i32) (result i32)
    (if (i32.eq (i32.load8_u offset={feed} (local.get $ch)) (i32.const 0x58)) (then
      {when_bad}
    ))
    (call $echo (local.get $ch) (local.get $chl) (local.get $pl) (local.get $pll)))
  (func (export "transform") (param i32 i32 i32 i32 i32 i32 i64) (result i32)
    (global.set $at (local.get 6))
    (call $answer (local.get 0) (local.get 1) (local.get 4) (local.get 5))
    (global.set $bump (i32.const 0x20000)))
)
{exports})
"#,
        family = escaped(guest.descriptor.family.as_bytes()),
        message_type = escaped(guest.descriptor.message_type.as_bytes()),
        type_length = guest.descriptor.message_type.len(),
        own = guest.descriptor.family.len() + 1,
        feed = FEED.len(),
        fields = guest.fields,
        describe = guest.describe,
        configure = guest.configure,
        when_bad = guest.when_bad,
    )
    .expect("a String takes all");
    text
}

/// A text for each function that it has from its imports: of the name, its type, and where it
/// comes from.
fn of_host(guest: &Guest, text: impl Fn(&str, &str, &str) -> String) -> String {
    let functions = guest.host.iter();
    functions
        .map(|function| text(&function.name, &function.core_type, &function.canon))
        .collect()
}

/// Bytes as a string of the text format takes them, whatever they are.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        write!(text, "\\{byte:02x}").expect("a String takes all");
    }
    text
}

const TYPES: &str = r#"
  (import "tidegate:transform/types@1.0.0" (instance $types
    (type $event (record (field "channel" string) (field "captures" (list (tuple string string)))
      (field "payload" (list u8)) (field "received-at" u64)))
    (export "event" (type $event-out (eq $event)))
    (type $publication (record (field "channel" string) (field "message-type" string)
      (field "data" string)))
    (export "publication" (type $publication-out (eq $publication)))
    (type $reason (enum "malformed" "missing" "invalid" "unwanted"))
    (export "rejection-reason" (type $reason-out (eq $reason)))
    (type $rejection (record (field "reason" $reason-out) (field "field" (option string))
      (field "detail" string)))
    (export "rejection" (type $rejection-out (eq $rejection)))
    (type $allowed (variant (case "one-of" (list string)) (case "pattern" string)))
    (export "allowed-values" (type $allowed-out (eq $allowed)))
    (type $parameter (record (field "name" string) (field "allowed" $allowed-out)))
    (export "parameter" (type $parameter-out (eq $parameter)))
    (type $expected (result (list $publication-out) (error $reason-out)))
    (type $sample (record (field "settings" (option string)) (field "channel" string)
      (field "payload" (list u8)) (field "received-at" u64) (field "expected" $expected)))
    (export "sample" (type $sample-out (eq $sample)))
    (type $message (record (field "message-type" string) (field "data-schema" string)))
    (export "message" (type $message-out (eq $message)))
    (type $delivery (enum "every" "latest"))
    (export "delivery" (type $delivery-out (eq $delivery)))
    (type $family (record (field "name" string) (field "parameters" (list $parameter-out))
      (field "messages" (list $message-out)) (field "delivery" $delivery-out)
      (field "snapshot-on-subscribe" bool)))
    (export "family" (type $family-out (eq $family)))
    (type $descriptor (record (field "name" string) (field "version" string)
      (field "summary" string) (field "settings-schema" string)
      (field "families" (list $family-out))))
    (export "descriptor" (type $descriptor-out (eq $descriptor)))
    (type $configuration (record (field "upstream-patterns" (list string))
      (field "samples" (list $sample-out))))
    (export "configuration" (type $configuration-out (eq $configuration)))))
  (import "tidegate:transform/log@1.0.0" (instance $log
    (type $level (enum "debug" "info" "warn" "error"))
    (export "level" (type $level-out (eq $level)))
    (type $write (func (param "level" $level-out) (param "message" string)))
    (export "write" (func (type $write)))))
  (alias export $types "event" (type $event))
  (alias export $types "publication" (type $publication))
  (alias export $types "rejection" (type $rejection))
  (alias export $types "descriptor" (type $descriptor))
  (alias export $types "configuration" (type $configuration))
"#;

/// The memory has a module of its own, because `write` needs it before the code is there.
const MEMORY: &str = r#"
  (core module $store (memory (export "memory") 40))
  (core instance $store (instantiate $store))
  (alias core export $store "memory" (core memory $memory))
  (alias export $log "write" (func $write))
  (core func $write (canon lower (func $write) (memory $memory)))
"#;

/// `$publications` answers with `$count` times the same one; `$publish` and `$many`, which
/// take the component's message type for it, are written where that is known.
const CODE: &str = r#"
  (import "host" "memory" (memory 40))
  (import "host" "write" (func $write (param i32 i32 i32)))
  (global $bump (mut i32) (i32.const 0x20000))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $bump) (i32.const 7)) (i32.const -8)))
    (global.set $bump (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $publications (param $c i32) (param $cl i32) (param $d i32) (param $dl i32)
    (param $count i32) (param $t i32) (param $tl i32)
    (result i32) (local $at i32) (local $left i32)
    (local.set $at (i32.const 0x10000))
    (local.set $left (local.get $count))
    (loop $next
      (i32.store (local.get $at) (local.get $c))
      (i32.store offset=4 (local.get $at) (local.get $cl))
      (i32.store offset=8 (local.get $at) (local.get $t))
      (i32.store offset=12 (local.get $at) (local.get $tl))
      (i32.store offset=16 (local.get $at) (local.get $d))
      (i32.store offset=20 (local.get $at) (local.get $dl))
      (local.set $at (i32.add (local.get $at) (i32.const 24)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.store (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (i32.const 0x10000))
    (i32.store (i32.const 520) (local.get $count))
    (i32.const 512))
"#;

/// Where the functions of other imports stand beside.
const ITS_OWN: &str = r#"(export "write" (func $write))"#;

const EXPORTS: &str = r#"
  (core instance $host (export "memory" (memory $memory)) (export "write" (func $write)))
  (core instance $code (instantiate $code (with "host" (instance $host))))
  (func $describe (result $descriptor)
    (canon lift (core func $code "describe") (memory $memory) (realloc (core func $code "realloc"))))
  (func $configure (param "settings" string) (result (result $configuration (error string)))
    (canon lift (core func $code "configure") (memory $memory) (realloc (core func $code "realloc"))))
  (func $transform (param "event" $event)
    (result (result (list $publication) (error $rejection)))
    (canon lift (core func $code "transform") (memory $memory) (realloc (core func $code "realloc"))))
  (instance $guest (export "describe" (func $describe)) (export "configure" (func $configure))
    (export "transform" (func $transform)))
  (export "tidegate:transform/guest@1.0.0" (instance $guest))
"#;
