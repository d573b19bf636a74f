//! The real binary at work: started with a `Setup`, watched from outside, killed on drop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::admin::Admin;
use crate::binary;
use crate::client::{Client, Connect};
use crate::http::{self, Response};
use crate::keys;
use crate::metrics::Metrics;
use crate::process::{Output, Process};
use crate::redis::Redis;
use crate::settings::{OPERATOR, Setup};
use crate::wait::{eventually, secs, until};

/// A running Tidegate.
#[derive(Debug)]
pub struct Tidegate {
    pub process: Process,
    setup: Setup,
    key: String,
    public: SocketAddr,
    admin: SocketAddr,
}

/// A start that did not come to anything.
#[derive(Debug)]
pub struct Refused {
    pub status: ExitStatus,
    pub said: String,
}

impl Tidegate {
    /// What to start, on this Redis.
    pub fn on(redis: &Redis) -> Setup {
        Setup::new(&redis.url())
    }

    /// One with nothing special, and its Redis.
    pub async fn plain() -> (Redis, Self) {
        let redis = Redis::start().await;
        let tidegate = Self::on(&redis).start().await;
        (redis, tidegate)
    }

    /// A key that lets ten thousand in, so that only tests about keys think of them.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn keys_file(&self) -> PathBuf {
        self.setup.keys_file()
    }

    pub fn public(&self) -> SocketAddr {
        self.public
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn stderr(&self) -> &Output {
        &self.process.stderr
    }

    /// How to connect, with the key.
    pub fn connect(&self) -> Connect {
        Connect::to(self.public).key(&self.key)
    }

    /// A connected client.
    pub async fn client(&self) -> Client {
        self.connect().open().await
    }

    /// A connected client that holds these channels.
    pub async fn subscriber<const N: usize>(&self, channels: [&str; N]) -> Client {
        let mut client = self.client().await;
        client.subscribe(channels).await;
        client
    }

    pub async fn admin_get(&self, path: &str) -> Response {
        http::get(self.admin, path, &[]).await
    }

    /// An operator with the token of `Setup::state_dir`.
    pub fn admin_api(&self) -> Admin {
        Admin::to(self.admin, OPERATOR)
    }

    /// Where its revisions are.
    pub fn state_folder(&self) -> PathBuf {
        self.setup.state_folder()
    }

    /// A file in its own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    /// Runs `tidegate transform …` against it, and waits for its end.
    pub async fn transform(&self, arguments: &[&str]) -> std::process::Output {
        let folder = self.path("");
        let environment = [
            (
                "TIDEGATE_ADMIN".to_owned(),
                format!("http://{}", self.admin),
            ),
            ("TIDEGATE_ADMIN_TOKEN".to_owned(), OPERATOR.to_owned()),
        ];
        let arguments: Vec<_> = arguments.iter().map(|&word| word.to_owned()).collect();
        let command = move || {
            let mut typed = vec!["transform"];
            typed.extend(arguments.iter().map(String::as_str));
            binary::run_with(&folder, &typed, &environment)
        };
        tokio::task::spawn_blocking(command)
            .await
            .expect("the command does not panic")
    }

    pub async fn metrics(&self) -> Metrics {
        Metrics::new(self.admin_get("/metrics").await.body)
    }

    /// The sum of a metric's series with these labels.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().await.sum(name, labels)
    }

    /// Waits until a metric has this value.
    pub async fn metric_becomes(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut last = f64::NAN;
        let what = format!("{name}{labels:?} to be {value}");
        let within = secs(10);
        let started = std::time::Instant::now();
        until(&what, within * 2, async || {
            last = self.metric(name, labels).await;
            assert!(started.elapsed() < within, "{what}: it is {last}");
            last == value
        })
        .await;
    }

    /// Status and reasons of `/readyz`.
    pub async fn ready(&self) -> (u16, Value) {
        let response = self.admin_get("/readyz").await;
        let body = serde_json::from_str(&response.body).unwrap_or(Value::Null);
        (response.status, body)
    }

    pub async fn becomes_ready(&self, within: Duration) {
        until("ready", within, async || self.ready().await.0 == 200).await;
    }

    /// Waits until it is not ready, and gives the reasons as text.
    pub async fn becomes_unready(&self, within: Duration) -> String {
        eventually("not ready", within, async || match self.ready().await {
            (503, body) => Some(body["reasons"].to_string()),
            _ => None,
        })
        .await
    }

    /// Waits until it is not ready for a reason with these words, and gives all reasons.
    pub async fn says_why(&self, words: &str, within: Duration) -> String {
        eventually(words, within, async || {
            let (_, body) = self.ready().await;
            let reasons = body["reasons"].to_string();
            reasons.contains(words).then_some(reasons)
        })
        .await
    }

    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Tells it to stop, waits until it has, and starts it again on the same ports and folder.
    pub async fn stop_and_restart(mut self) -> Self {
        self.terminate();
        self.process.exit(secs(30)).await;
        self.kill_and_restart().await
    }

    /// Kills it without a word and starts it again on the same ports and the same folder.
    pub async fn kill_and_restart(self) -> Self {
        self.restart_with(|setup| setup).await
    }

    /// The same with other settings.
    pub async fn restart_with(self, change: impl FnOnce(Setup) -> Setup) -> Self {
        let (setup, key) = self.killed();
        change(setup).start_with_key(key).await
    }

    /// Kills it without a word; `Setup::start_with_key` starts it again.
    pub fn killed(mut self) -> (Setup, String) {
        self.process.kill();
        let setup = self
            .setup
            .setting("listen", &self.public.to_string())
            .setting("admin-listen", &self.admin.to_string());
        (setup, self.key)
    }
}

impl Setup {
    /// Makes the key file and starts.
    pub async fn start(self) -> Tidegate {
        let key = keys::create(&self.keys_file(), "test", &["--max-connections", "10000"]);
        self.start_with_key(key).await
    }

    /// Starts with the key file that is there; `key` is one of its keys.
    pub async fn start_with_key(self, key: String) -> Tidegate {
        let mut process = self.spawn();
        let address = |output: &Output, word: &str| -> Option<SocketAddr> {
            let text = output.text();
            let line = text.lines().find_map(|line| line.split_once(word))?.1;
            line.split("//")
                .nth(1)?
                .split(['/', '"'])
                .next()?
                .parse()
                .ok()
        };
        let (public, admin) = eventually("the two lines of a start", secs(20), async || {
            if let Some(status) = process.ended() {
                panic!("tidegate serve ended: {status}\n{:?}", process.stderr);
            }
            Some((
                address(&process.stdout, "public")?,
                address(&process.stdout, "admin")?,
            ))
        })
        .await;
        let tidegate = Tidegate {
            process,
            setup: self,
            key,
            public,
            admin,
        };
        if tidegate.setup.wait_ready {
            let mut last = Value::Null;
            let started = std::time::Instant::now();
            until("ready after the start", secs(60), async || {
                let (status, body) = tidegate.ready().await;
                last = body;
                let waited = started.elapsed();
                assert!(
                    waited < secs(20),
                    "not ready: {last}\n{:?}",
                    tidegate.stderr()
                );
                status == 200
            })
            .await;
        }
        tidegate
    }

    /// Starts one that must refuse, and waits for its end.
    pub async fn refused(&self) -> Refused {
        self.ensure_keys();
        let mut process = self.spawn();
        let status = process.exit(secs(20)).await;
        let said = format!("{}{}", process.stdout.text(), process.stderr.text());
        assert!(!status.success(), "it should have refused: {said}");
        Refused { status, said }
    }

    /// What `serve --check` says.
    pub fn check(&self) -> (bool, String) {
        self.ensure_keys();
        let arguments = self.arguments();
        let mut typed = vec!["serve", "--check"];
        typed.extend(arguments.iter().map(String::as_str));
        let output = binary::run_with(self.folder.path(), &typed, &self.environment);
        (output.status.success(), binary::said(&output))
    }

    fn ensure_keys(&self) {
        if !self.keys_file().exists() {
            keys::create(&self.keys_file(), "test", &[]);
        }
    }

    fn spawn(&self) -> Process {
        let arguments = self.arguments();
        let stderr = self.stderr.as_ref();
        let stderr = stderr.map(|to| to.try_clone().expect("files are left"));
        let binary = binary::tidegate();
        let program = if self.open_files.is_some() {
            Path::new("prlimit")
        } else if self.obeys_file_rights {
            Path::new("setpriv")
        } else {
            &binary
        };
        Process::start_with(program, stderr, |command| {
            binary::without_settings(command);
            if let Some(count) = self.open_files {
                command
                    .arg(format!("--nofile={count}:{count}"))
                    .arg(&binary);
            } else if self.obeys_file_rights {
                // Who is not root has nothing to give up.
                if rustix::process::geteuid().is_root() {
                    command.args(["--bounding-set", "-dac_override,-dac_read_search"]);
                } else {
                    command.arg("--no-new-privs");
                }
                command.arg(&binary);
            }
            command
                .arg("serve")
                .args(arguments)
                .envs(self.environment.iter().cloned())
                .current_dir(self.folder.path());
        })
    }
}
