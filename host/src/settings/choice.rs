//! Settings with a few words to choose from, each word declared beside what it means.

use super::kind::Kind;

macro_rules! choices {
    ($($(#[$about:meta])* $name:ident, $kind:ident, $placeholder:literal, $form:literal {
        $($(#[$note:meta])* $variant:ident = $word:literal,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$note])* $variant,)*
        }

        pub(super) struct $kind;

        impl Kind for $kind {
            type Value = $name;
            const PLACEHOLDER: &'static str = $placeholder;
            const FORM: &'static str = $form;

            fn parse(text: &str) -> Option<$name> {
                match text {
                    $($word => Some($name::$variant),)*
                    _ => None,
                }
            }
        }

        impl $name {
            /// As it is written.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    )*};
}

choices! {
    /// How the log is written.
    LogFormat, LogFormats, "FORMAT", "text or json" {
        /// For people.
        Text = "text",
        /// For machines: one object a line.
        Json = "json",
    }

    /// What a file may change for clients without that somebody is asked.
    Allow, Allows, "CHANGE", "none, wider or breaking" {
        /// Neither.
        None = "none",
        /// Clients may see more than before.
        Wider = "wider",
        /// Clients may also lose what they rely on.
        Breaking = "breaking",
    }

    /// Whether hosts share which revisions shall run.
    Fleet, Fleets, "PLACE", "off or redis" {
        /// This host is on its own.
        Off = "off",
        /// Through the Redis that events come from.
        Redis = "redis",
    }

    /// Where API keys are.
    KeysFrom, KeysFroms, "PLACE", "file or redis" {
        /// In a file of this host.
        File = "file",
        /// In the Redis that events come from.
        Redis = "redis",
    }

    /// What a host does of the way from Redis to clients.
    Role, Roles, "ROLE", "both, ingest or edge" {
        /// All of it.
        Both = "both",
        /// Makes and numbers messages, and has no clients.
        Ingest = "ingest",
        /// Has clients, and takes messages from ingest hosts.
        Edge = "edge",
    }

    /// Where a proxy says for whom it speaks.
    ForwardedHeader, ForwardedHeaders, "HEADER", "x-forwarded-for or forwarded" {
        /// What most proxies add to.
        XForwardedFor = "x-forwarded-for",
        /// RFC 7239.
        Forwarded = "forwarded",
    }
}
