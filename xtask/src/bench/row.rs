//! Rows of the report: what was measured, round by round, and what it should be. As a line of
//! JSON when it is known, and as a line of the table for people in the end.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::spread::Spread;

/// What a row should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// The middle of the rounds, at most.
    AtMost(f64),
    /// Nothing, in any round.
    Never,
    /// It stands beside others, to say what these mean.
    None,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// `÷` for a ratio.
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
    pub(crate) rounds: Vec<f64>,
}

impl Row {
    pub(crate) fn new(
        what: impl Into<String>,
        unit: &'static str,
        target: Target,
        rounds: impl IntoIterator<Item = f64>,
    ) -> Self {
        Self {
            what: what.into(),
            unit,
            target,
            rounds: rounds.into_iter().collect(),
        }
    }

    fn spread(&self) -> Spread {
        Spread::of(self.rounds.iter().copied())
    }

    fn holds(&self) -> Option<bool> {
        let Spread { median, most, .. } = self.spread();
        match self.target {
            Target::AtMost(limit) => Some(median <= limit),
            Target::Never => Some(most <= 0.0),
            Target::None => None,
        }
    }

    pub(crate) fn json(&self, part: &str) -> Value {
        let Spread {
            median,
            least,
            most,
        } = self.spread();
        let target = match self.target {
            Target::AtMost(limit) => json!(limit),
            Target::Never => json!(0),
            Target::None => Value::Null,
        };
        json!({
            "part": part,
            "row": self.what,
            "unit": self.unit,
            "target": target,
            "median": median,
            "least": least,
            "most": most,
            "holds": self.holds(),
            "rounds": self.rounds,
        })
    }
}

/// All rows, as people read them.
pub(crate) fn table(rows: &[Row]) -> String {
    let wide = |row: &Row| row.what.chars().count();
    let width = rows.iter().map(wide).max().unwrap_or_default();
    let mut text = format!(
        "{:<width$}  {:>8}  measured (median, least to most)\n",
        "", "target"
    );
    for row in rows {
        let (target, verdict) = match row.target {
            Target::AtMost(limit) => (format!("≤ {limit}"), row.holds()),
            Target::Never => ("0".to_owned(), row.holds()),
            Target::None => (String::new(), None),
        };
        let verdict = match verdict {
            Some(true) => "holds",
            Some(false) => "DOES NOT HOLD",
            None => "",
        };
        let (what, spread, unit) = (&row.what, row.spread(), row.unit);
        let line = format!("{what:<width$}  {target:>8}  {spread} {unit}");
        writeln!(text, "{line:<90}  {verdict}").expect("writing to a String does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_by_its_middle_and_a_loss_in_any_round_breaks_it() {
        let row = |target, rounds: &[f64]| Row::new("x", "÷", target, rounds.to_vec());
        assert_eq!(
            row(Target::AtMost(1.1), &[1.0, 9.0, 1.1]).holds(),
            Some(true)
        );
        assert_eq!(
            row(Target::AtMost(1.1), &[1.2, 1.2, 1.0]).holds(),
            Some(false)
        );
        assert_eq!(row(Target::Never, &[0.0, 0.0]).holds(), Some(true));
        assert_eq!(row(Target::Never, &[0.0, 0.0, 0.1]).holds(), Some(false));
        assert_eq!(row(Target::None, &[5.0]).holds(), None);
        assert_eq!(row(Target::Never, &[0.0]).json("losses")["holds"], true);
    }

    #[test]
    fn a_round_without_a_figure_holds_nothing() {
        assert_eq!(
            Row::new("x", "÷", Target::AtMost(1.0), []).holds(),
            Some(false)
        );
        let broken = Row::new("x", "÷", Target::AtMost(1.0), [f64::NAN]);
        assert_eq!(broken.holds(), Some(false));
    }
}
