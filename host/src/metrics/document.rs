//! `docs/metrics.md`: every metric that a host has, from where they are declared.

use std::fmt::Write;

use super::Metrics;

const HEAD: &str = "\
# Metrics

`GET /metrics` on the admin listener, in Prometheus' text format. This page is written by
`tidegate metrics`, and a test holds it against the host. Labels hold names from descriptors and
fixed words only, never what a client or an event chose; whatever can be counted stands at zero
from the start.

What was turned away has one of these as `reason`:

- `upgrade_timeout`: no whole request came within `upgrade-timeout`
- `displaced`: all places were taken, and a newer connection got this one
- `bad_request`, `head_too_large`, `method`, `not_an_upgrade`, `http2`, `tls_on_plain_port`: it is not the request, or not the protocol, that is spoken here
- `proxy_header`, `untrusted_proxy`: the PROXY protocol where it is not expected, not as it has to be, or from somebody who is not in `trusted-proxies`
- `per_address`, `address_rate`: the address is at `max-connections-per-address` or `connection-rate-per-address`
- `key_required`, `invalid_key`, `connection_limit`: no key, no good key, or a key at its limit
- `connection_share`, `limit_busy`: a key at this host's share of its limit while other hosts cannot be heard, or too many connections that wait for what those have let in
- `origin`, `host`: a web page of another origin, or a name that the admin listener is not called by
- `full`, `draining`: the host is at `max-connections`, or stops
- `keys_away`: a signed token, before the keys that those are judged by could be read for the first time
- `no_edge`: a client of an ingest host, which has none
";

/// The page, in Markdown.
pub fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut heading = "";
    let mut entries = Metrics::new().book.entries();
    // Headings stand in the order in which they first came, and the metrics of a heading as they
    // were declared.
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
