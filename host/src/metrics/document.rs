//! `docs/metrics.md`: every metric that a host has, from where they are declared.

use std::fmt::Write;

use super::Metrics;

const HEAD: &str = "\
# Metrics

`GET /metrics` on the admin listener, in Prometheus' text format. This page is written by
`tidegate metrics`, and a test holds it against the host. Labels hold names from descriptors and
fixed words only, never what a client or an event chose; whatever can be counted stands at zero
from the start.
";

/// The page, in Markdown.
pub fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut heading = "";
    let mut entries = Metrics::new().book.entries();
    // By heading as it first came; within one, as they were declared.
    let mut headings: Vec<&str> = Vec::new();
    for entry in &entries {
        if !headings.contains(&entry.heading) {
            headings.push(entry.heading);
        }
    }
    entries.sort_by_key(|entry| headings.iter().position(|known| *known == entry.heading));
    for entry in entries {
        if entry.heading != heading {
            heading = entry.heading;
            // A String takes everything.
            let _ = write!(
                text,
                "\n## {heading}\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n"
            );
        }
        let labels: Vec<String> = entry
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            entry.name,
            entry.kind,
            labels.join(" "),
            entry.help.replace('|', "\\|")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_line_for_each_metric_that_a_host_shows() {
        let page = document();
        let metrics = Metrics::new();
        let _transform = metrics.transform("t");
        let shown = metrics.render();
        for line in shown.lines().filter(|line| line.starts_with("# TYPE ")) {
            let mut words = line.split(' ').skip(2);
            let (name, kind) = (words.next().unwrap(), words.next().unwrap());
            let row = format!("| `{name}` | {kind} |");
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
    }
}
