//! Reading the numbers of `/metrics`.

/// One scrape.
#[derive(Debug, Clone)]
pub struct Metrics(String);

impl Metrics {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The sum over all series of `name` that carry these labels; zero if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels)
            .fold(0.0, |sum, value| sum + value)
    }

    /// Whether there is a series of this name at all.
    pub fn has(&self, name: &str) -> bool {
        self.series(name, &[]).next().is_some()
    }

    /// The names of all families, from their `# TYPE` lines.
    pub fn names(&self) -> Vec<&str> {
        self.0
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect()
    }

    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = f64> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (set, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let matches = labels.iter().all(|(key, value)| {
                set.split(',')
                    .any(|pair| pair == format!("{key}=\"{value}\""))
            });
            if !matches {
                return None;
            }
            value.trim().parse().ok()
        })
    }
}
