//! The forms that a setting's value can have: how each is read, shown and measured.
//!
//! A kind is a type without values; the table in `mod.rs` names one for each setting. Where
//! the text came from, and the error when it does not fit, is for `layers`.

use std::fmt::Display;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::redis_url::RedisUrl;
use super::secret::Secret;
use crate::gate::origin::OriginRule;

/// One form of value.
pub(super) trait Kind {
    type Value;
    /// Stands for the value in the help of a flag.
    const PLACEHOLDER: &'static str;
    /// What a value must be, to complete "it must be …".
    const FORM: &'static str;
    /// Whether the file may give it as a bare number.
    const BARE: bool = false;
    /// Whether the value may hold a secret, so that errors leave it out.
    const SECRET: bool = false;
    /// Whether there is a flag. Other users of a machine can read a command line.
    const FLAG: bool = true;
    /// Whether its variable is for `serve` alone, where a command reads one of the plain name.
    const SERVE_ONLY: bool = false;
    /// Whether it is a list: an array in the file, comma-separated elsewhere.
    const LIST: bool = false;
    /// Whether it is a path, which in the file is meant from the file's folder.
    const PATH: bool = false;

    fn parse(text: &str) -> Option<Self::Value>;

    /// What exactly is wrong with a text that may hold a secret, without anything of it.
    fn fault(_: &str) -> Option<&'static str> {
        None
    }

    /// What a log may show of a value that may hold a secret.
    fn harmless(_: &Self::Value) -> Option<String> {
        None
    }

    /// A number to hold against a range. Kinds without ranges leave it.
    fn measure(_: &Self::Value) -> u128 {
        0
    }
}

/// The constants of a kind, for code that treats all settings alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) placeholder: &'static str,
    pub(super) form: &'static str,
    pub(super) flag: bool,
    pub(super) serve_only: bool,
    pub(super) list: bool,
}

impl Traits {
    pub(super) fn of<K: Kind>() -> Self {
        Self {
            placeholder: K::PLACEHOLDER,
            form: K::FORM,
            flag: K::FLAG,
            serve_only: K::SERVE_ONLY,
            list: K::LIST,
        }
    }

    /// The form and the range in words.
    pub(super) fn allowed(self, range: Option<(&str, &str)>) -> String {
        match range {
            Some((from, to)) => format!("{} from {from} to {to}", self.form),
            None => self.form.to_owned(),
        }
    }
}

/// `30s`, `10ms`, `1h 30m`.
pub(super) struct Time;

impl Kind for Time {
    type Value = Duration;
    const PLACEHOLDER: &'static str = "TIME";
    const FORM: &'static str = "a time with its unit (10ms, 30s, 5m)";

    fn parse(text: &str) -> Option<Duration> {
        humantime::parse_duration(text).ok()
    }

    fn measure(value: &Duration) -> u128 {
        value.as_nanos()
    }
}

/// `64KiB`, `1MB`, or a bare number of bytes.
pub(super) struct Size<T>(PhantomData<T>);

impl<T: Copy + TryFrom<u64> + TryInto<u128>> Kind for Size<T> {
    type Value = T;
    const PLACEHOLDER: &'static str = "SIZE";
    const FORM: &'static str = "a size in bytes (65536, 64KiB, 1MiB)";
    const BARE: bool = true;

    fn parse(text: &str) -> Option<T> {
        let size = bytesize::ByteSize::from_str(text).ok()?;
        T::try_from(size.as_u64()).ok()
    }

    fn measure(value: &T) -> u128 {
        (*value).try_into().unwrap_or(u128::MAX)
    }
}

/// A whole number.
pub(super) struct Count<T>(PhantomData<T>);

impl<T: Copy + FromStr + TryInto<u128> + Display> Kind for Count<T> {
    type Value = T;
    const PLACEHOLDER: &'static str = "NUMBER";
    const FORM: &'static str = "a whole number";
    const BARE: bool = true;

    fn parse(text: &str) -> Option<T> {
        text.parse().ok()
    }

    fn measure(value: &T) -> u128 {
        (*value).try_into().unwrap_or(u128::MAX)
    }
}

/// Where to listen.
pub(super) struct SocketAddress;

impl Kind for SocketAddress {
    type Value = SocketAddr;
    const PLACEHOLDER: &'static str = "ADDRESS";
    const FORM: &'static str = "an IP address and a port (127.0.0.1:8080, [::]:8080)";

    fn parse(text: &str) -> Option<SocketAddr> {
        text.parse().ok()
    }
}

/// A Redis and how to enter it.
pub(super) struct RedisAddress;

impl Kind for RedisAddress {
    type Value = RedisUrl;
    const PLACEHOLDER: &'static str = "URL";
    const FORM: &'static str = "redis://[user:password@]host[:port][/database]; of a cluster, \
                                several host:port with commas; or \
                                redis+sentinel://[user:password@]sentinel[:port],…/name[/database]; \
                                rediss for TLS, with special characters of the password %-encoded";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<RedisUrl> {
        RedisUrl::parse(text).ok()
    }

    fn fault(text: &str) -> Option<&'static str> {
        RedisUrl::parse(text).err()
    }

    fn harmless(url: &RedisUrl) -> Option<String> {
        Some(url.to_string())
    }
}

/// A file that need not be given.
pub(super) struct File;

impl Kind for File {
    type Value = Option<PathBuf>;
    const PLACEHOLDER: &'static str = "FILE";
    const FORM: &'static str = "a path";
    const PATH: bool = true;

    fn parse(text: &str) -> Option<Option<PathBuf>> {
        Some((!text.is_empty()).then(|| PathBuf::from(text)))
    }
}

/// A folder that need not be given.
pub(super) struct Folder;

impl Kind for Folder {
    type Value = Option<PathBuf>;
    const PLACEHOLDER: &'static str = "DIR";
    const FORM: &'static str = "a path";
    const PATH: bool = true;

    fn parse(text: &str) -> Option<Option<PathBuf>> {
        File::parse(text)
    }
}

/// What opens the admin API. It travels in a header, so only what fits one is allowed.
pub(super) struct Token;

impl Kind for Token {
    type Value = Option<Secret>;
    const PLACEHOLDER: &'static str = "TOKEN";
    const FORM: &'static str = "16 to 512 characters of visible ASCII without white space in it";
    const SECRET: bool = true;
    const FLAG: bool = false;
    const SERVE_ONLY: bool = true;

    fn parse(text: &str) -> Option<Option<Secret>> {
        let secret = Secret::given(text);
        if secret.expose().is_empty() {
            return Some(None);
        }
        // Shorter ones can be guessed, and this one may do everything.
        let fits = (16..=512).contains(&secret.expose().len()) && secret.fault().is_none();
        fits.then_some(Some(secret))
    }
}

/// Origins as browsers send them.
pub(super) struct Origins;

impl Kind for Origins {
    type Value = Vec<OriginRule>;
    const PLACEHOLDER: &'static str = "ORIGIN";
    const FORM: &'static str = "a list of origins as browsers send them: scheme://host, with \
                                :port if it is not the scheme's own, without a path \
                                (https://app.example, http://localhost:3000), or \
                                https://*.example.com for all hosts below that one";
    const LIST: bool = true;

    fn parse(text: &str) -> Option<Vec<OriginRule>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let origins = text.split(',').map(|origin| origin.trim().parse().ok());
        origins.collect()
    }
}

/// Networks, or single addresses.
pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<IpNet>;
    const PLACEHOLDER: &'static str = "NETWORK";
    const FORM: &'static str =
        "a list of networks or addresses (10.0.0.0/8, 2001:db8::/32, 192.0.2.7)";
    const LIST: bool = true;

    fn parse(text: &str) -> Option<Vec<IpNet>> {
        let networks = text.split(',').map(str::trim);
        networks
            .filter(|network| !network.is_empty())
            .map(|network| {
                let address = || network.parse::<IpAddr>().map(IpNet::from);
                network.parse().or_else(|_| address()).ok().map(canonical)
            })
            .collect()
    }
}

/// IPv4 in IPv6 form is IPv4, as clients' addresses are.
fn canonical(network: IpNet) -> IpNet {
    let within = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), within) {
        (four @ IpAddr::V4(_), Some(length)) if network.addr().is_ipv6() => {
            IpNet::new(four, length).unwrap_or(network)
        }
        _ => network,
    }
}

/// Yes or no.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;
    const PLACEHOLDER: &'static str = "BOOL";
    const FORM: &'static str = "true or false";
    const BARE: bool = true;

    fn parse(text: &str) -> Option<bool> {
        text.parse().ok()
    }
}

/// Names of this host, as they stand in a request's `Host`, without a port.
pub(super) struct HostNames;

impl Kind for HostNames {
    type Value = Vec<String>;
    const PLACEHOLDER: &'static str = "HOST";
    const FORM: &'static str = "a list of host names without ports (tidegate.internal, ops-1)";
    const LIST: bool = true;

    fn parse(text: &str) -> Option<Vec<String>> {
        let hosts = text.split(',').map(str::trim);
        hosts
            .filter(|host| !host.is_empty())
            .map(|host| is_host(host).then(|| host.to_ascii_lowercase()))
            .collect()
    }
}

fn is_host(text: &str) -> bool {
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        !part.is_empty() && part.bytes().all(plain)
    };
    text.len() <= 253 && text.split('.').all(part)
}

/// The name of a Redis channel.
pub(super) struct UpstreamChannelName;

impl Kind for UpstreamChannelName {
    type Value = String;
    const PLACEHOLDER: &'static str = "NAME";
    const FORM: &'static str = "1 to 256 visible ASCII characters";

    fn parse(text: &str) -> Option<String> {
        let fits = (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| text.to_owned())
    }
}

/// What hosts call themselves and each other. It becomes part of keys in Redis, so that it
/// holds nothing that means something in a pattern.
pub(super) struct Label;

impl Label {
    const RULE: &'static str = "1 to 64 letters, digits, '.', '_' or '-'";
}

impl Kind for Label {
    type Value = String;
    const PLACEHOLDER: &'static str = "NAME";
    const FORM: &'static str = Self::RULE;

    fn parse(text: &str) -> Option<String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| text.to_owned())
    }
}

/// A label that need not be given.
pub(super) struct MaybeLabel;

impl Kind for MaybeLabel {
    type Value = Option<String>;
    const PLACEHOLDER: &'static str = "NAME";
    const FORM: &'static str = Label::RULE;

    fn parse(text: &str) -> Option<Option<String>> {
        if text.is_empty() {
            Some(None)
        } else {
            Label::parse(text).map(Some)
        }
    }
}
