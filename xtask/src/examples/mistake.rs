//! Mistakes that are made in copies of the examples, so that tests see what is told of an
//! exception: one is thrown for the symbol `MIS-TAKE`.

use anyhow::{Result, bail};

/// A call that is added to an example, and the function that it calls.
pub(super) struct Mistake {
    /// The file of the example.
    pub(super) file: &'static str,
    /// The line that the call comes after.
    after: &'static str,
    call: &'static str,
    function: &'static str,
}

pub(super) const JAVASCRIPT: Mistake = Mistake {
    file: "ticker.js",
    after: "  const captures = new Map(event.captures);\n",
    call: "  mistaken(captures.get('symbol'));\n",
    function: "
function mistaken(symbol) {
  if (symbol === 'MIS-TAKE') throw new TypeError(`${symbol} is a mistake`);
}
",
};

pub(super) const PYTHON: Mistake = Mistake {
    file: "app.py",
    after: "        captures = dict(event.captures)\n",
    call: "        mistaken(captures[\"symbol\"])\n",
    function: "

def mistaken(symbol):
    if symbol == \"MIS-TAKE\":
        raise TypeError(f\"{symbol} is a mistake\")
",
};

impl Mistake {
    /// The source with this mistake in it.
    pub(super) fn made_in(&self, source: &str) -> Result<String> {
        let Some((before, behind)) = source.split_once(self.after) else {
            bail!(
                "{} has no line {:?} that a mistake could be put after; name another in \
                 xtask/src/examples/mistake.rs",
                self.file,
                self.after.trim()
            );
        };
        Ok([before, self.after, self.call, behind, self.function].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_made_where_it_belongs_or_told_to_have_no_place() {
        let source = "def transform():\n        captures = dict(event.captures)\n        end\n";
        let mistaken = PYTHON.made_in(source).unwrap();
        assert!(
            mistaken.contains("captures)\n        mistaken(captures"),
            "{mistaken}"
        );
        assert!(mistaken.ends_with("is a mistake\")\n"), "{mistaken}");
        let error = JAVASCRIPT.made_in(source).unwrap_err().to_string();
        assert!(error.contains("ticker.js has no line"), "{error}");
    }
}
