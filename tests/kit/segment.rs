//! Machines of a test's own, as network namespaces on one bridge: each can be cut off from chosen
//! others while the test itself still reaches it. That needs rights that not every machine gives.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::nodes::NodePlace;

/// The next segment of this process.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// The most machines of a segment.
const MOST: u8 = 16;

/// A bridge with machines; all of it goes with the test.
#[derive(Debug)]
pub struct Segment {
    /// What the names of its parts begin with.
    name: String,
    /// The first three parts of all addresses.
    network: String,
    machines: u8,
}

impl Segment {
    /// None where this machine lets nobody make one, which is said loudly.
    pub fn make(machines: u8) -> Option<Self> {
        assert!(machines <= MOST, "at most {MOST} machines");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        // Test-Net networks of others are not looked for: two test processes have different numbers.
        let network = format!(
            "10.{}.{}",
            100 + process % 100,
            (process / 100 + u32::from(number)) % 250
        );
        let segment = Self {
            name: format!("tg{:x}{number}", process % 0xf_ffff),
            network,
            machines: 0,
        };
        match segment.build(machines) {
            Ok(segment) => Some(segment),
            Err(why) => {
                eprintln!("SKIPPED: this machine lets nobody make network namespaces: {why}");
                None
            }
        }
    }

    fn build(mut self, machines: u8) -> Result<Self, String> {
        let bridge = self.name.clone();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&[
            "addr",
            "add",
            &format!("{}.254/24", self.network),
            "dev",
            &bridge,
        ])?;
        ip(&["link", "set", &bridge, "up"])?;
        for machine in 1..=machines {
            let (inside, outside) = (self.namespace(machine), format!("{bridge}v{machine}"));
            ip(&["netns", "add", &inside])?;
            self.machines = machine;
            ip(&[
                "link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &inside,
            ])?;
            ip(&["link", "set", &outside, "master", &bridge, "up"])?;
            let address = format!("{}/24", self.address(machine));
            ip(&["-n", &inside, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &inside, "link", "set", "eth0", "up"])?;
            ip(&["-n", &inside, "link", "set", "lo", "up"])?;
        }
        Ok(self)
    }

    fn namespace(&self, machine: u8) -> String {
        format!("{}n{machine}", self.name)
    }

    /// The address of a machine; the first is 1.
    pub fn address(&self, machine: u8) -> String {
        format!("{}.{machine}", self.network)
    }

    /// A place for a server on a machine.
    pub fn place(&self, machine: u8) -> NodePlace {
        NodePlace {
            host: self.address(machine),
            launcher: ["ip", "netns", "exec", &self.namespace(machine)]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// Nothing goes any more between this machine and those others; the test reaches it still.
    pub fn cut_off(&self, machine: u8, from: &[u8]) {
        for peer in from {
            let route = format!("{}/32", self.address(*peer));
            ip(&[
                "-n",
                &self.namespace(machine),
                "route",
                "add",
                "blackhole",
                &route,
            ])
            .expect("a route of one's own");
        }
    }

    /// Whatever this machine sends goes at this rate at most, in kilobits a second, and waits for that as
    /// long as it has to. False where the system has no such queue, which is said loudly.
    pub fn slow(&self, machine: u8, rate: u32) -> bool {
        let rate = format!("{rate}kbit");
        let namespace = self.namespace(machine);
        let queue = ["tbf", "rate", &rate, "burst", "10kb", "latency", "60s"];
        let head = [
            "netns", "exec", &namespace, "tc", "qdisc", "replace", "dev", "eth0", "root",
        ];
        match ip(&[&head[..], &queue[..]].concat()) {
            Ok(()) => true,
            Err(why) => {
                eprintln!("SKIPPED: this machine lets nobody make a slow link: {why}");
                false
            }
        }
    }

    /// Undoes `cut_off`.
    pub fn join(&self, machine: u8, to: &[u8]) {
        for peer in to {
            let route = format!("{}/32", self.address(*peer));
            ip(&[
                "-n",
                &self.namespace(machine),
                "route",
                "del",
                "blackhole",
                &route,
            ])
            .expect("a route of one's own");
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        for machine in 1..=self.machines {
            let _ = ip(&["netns", "del", &self.namespace(machine)]);
        }
        let _ = ip(&["link", "del", &self.name]);
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("ip {}: {said}", words.join(" ")))
}
