//! Components that tell the settings that they were given, wherever a component can say
//! something, as what is secret in them must not be seen there; and those that tell the time.

use serde_json::{Value, json};

use super::Guest;
use super::text::SETTINGS;

impl Guest {
    /// Takes any settings; `key` is one that nobody is shown.
    pub fn with_secret_key(self) -> Self {
        let key = json!({"type": "string", "secret": true});
        self.settings_schema(&json!({"type": "object", "properties": {"key": key}}))
    }

    pub fn settings_schema(self, schema: &Value) -> Self {
        self.descriptor(|of| of.settings_schema = schema.to_string())
    }

    /// Refuses to be configured, and gives its settings as the reason.
    pub fn refusing_its_settings(self) -> Self {
        self.configure(&format!(
            "(i32.store (i32.const 512) (i32.const 1))
             (i32.store (i32.const 516) (i32.const {SETTINGS}))
             (i32.store (i32.const 520) (global.get $settings))
             (return (i32.const 512))"
        ))
    }

    /// Rejects events of symbols that begin with `X`: its settings are the field and the
    /// detail, and a line of the log.
    pub fn rejecting_with_its_settings(self) -> Self {
        let settings = |at: u32| {
            format!(
                "(i32.store (i32.const {at}) (i32.const {SETTINGS}))
                 (i32.store (i32.const {}) (global.get $settings))",
                at + 4
            )
        };
        self.when_bad(&format!(
            "(call $write (i32.const 2) (i32.const {SETTINGS}) (global.get $settings))
             (i32.store (i32.const 512) (i32.const 1))
             (i32.store (i32.const 516) (i32.const 2))
             (i32.store (i32.const 520) (i32.const 1))
             {} {}
             (return (i32.const 512))",
            settings(524),
            settings(532)
        ))
    }

    /// Publishes the time of each event of a symbol that begins with `X`, as `at`; `first` runs
    /// before. In its reach are `$at`, that time, and `$time`, which writes `{"at":…}` at
    /// 0x1d0100 and gives its length.
    pub fn publishing_its_time(self, first: &str) -> Self {
        let schema = json!({"type": "object", "additionalProperties": false, "properties": {
            "at": {"type": "integer"},
            "price": {"type": "string", "maxLength": 20},
        }});
        let time = r#"
            (data (i32.const 0x1d0100) "{\22at\22:") (data (i32.const 1400) "ticks:XY")
            (global $turns (mut i32) (i32.const 0))
            (func $time (result i32) (local $left i64) (local $from i32) (local $length i32)
              (local.set $left (global.get $at))
              (local.set $from (i32.const 0x1d0040))
              (loop $digit
                (local.set $from (i32.sub (local.get $from) (i32.const 1)))
                (i32.store8 (local.get $from) (i32.add (i32.const 48)
                  (i32.wrap_i64 (i64.rem_u (local.get $left) (i64.const 10)))))
                (local.set $left (i64.div_u (local.get $left) (i64.const 10)))
                (br_if $digit (i64.ne (local.get $left) (i64.const 0))))
              (local.set $length (i32.sub (i32.const 0x1d0040) (local.get $from)))
              (memory.copy (i32.const 0x1d0106) (local.get $from) (local.get $length))
              (i32.store8 (i32.add (i32.const 0x1d0106) (local.get $length)) (i32.const 125))
              (i32.add (local.get $length) (i32.const 7)))"#;
        self.descriptor(|of| of.data_schema = schema.to_string())
            .fields(time)
            .when_bad(&format!(
                "{first} (return (call $publish (i32.const 1400) (i32.const 8)
                   (i32.const 0x1d0100) (call $time)))"
            ))
    }
}
