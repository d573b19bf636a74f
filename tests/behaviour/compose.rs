//! docs/compose.yaml: a file that people copy. What it says to hosts are settings that there are, with
//! values that a start takes, and its parts fit together.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_tests::Setup;
use tidegate_tests::binary::repository;

fn document() -> Value {
    let path = repository().join("docs/compose.yaml");
    let text = std::fs::read_to_string(path).expect("docs/compose.yaml");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// A value of the mapping, also where it comes by a merge key.
fn value<'a>(of: &'a Value, name: &str) -> &'a Value {
    match (&of[name], &of["<<"]) {
        (Value::Null, Value::Null) => &Value::Null,
        (Value::Null, merged) => value(merged, name),
        (own, _) => own,
    }
}

/// The services whose name begins so.
fn services<'a>(document: &'a Value, prefix: &str) -> Vec<&'a Value> {
    let services = document["services"].as_object().expect("services");
    let named = services.iter().filter(|(name, _)| name.starts_with(prefix));
    named.map(|(_, service)| service).collect()
}

/// What a host is chosen, as flags.
fn settings(host: &Value) -> Vec<(String, String)> {
    let environment = value(host, "environment").as_object().expect("variables");
    let setting = |(name, value): (&String, &Value)| {
        let flag = name.strip_prefix("TIDEGATE_").expect("a setting");
        let flag = flag.to_lowercase().replace('_', "-");
        (flag, value.as_str().expect("a text").to_owned())
    };
    environment.iter().map(setting).collect()
}

fn seconds(text: &str) -> u64 {
    let number = text.strip_suffix('s').expect("so many seconds");
    number.parse().expect("a number")
}

#[test]
fn each_host_is_told_settings_that_there_are_with_values_that_a_start_takes() {
    let table = std::fs::read_to_string(repository().join("docs/settings.md")).expect("the table");
    let document = document();
    let hosts = services(&document, "host-");
    assert_eq!(hosts.len(), 3);
    for host in hosts {
        let mut setup = Setup::new("redis://127.0.0.1:1");
        for (flag, value) in settings(host) {
            assert!(table.contains(&format!("| `{flag}` |")), "{flag}");
            let mounted = value.starts_with('/');
            if !mounted {
                setup = setup.setting(&flag, &value);
            }
        }
        let setup = setup.state_dir();
        let (good, said) = setup.check();
        assert!(good, "{said}");
    }
}

#[test]
fn hosts_have_names_of_their_own_and_time_for_their_goodbyes() {
    let document = document();
    let hosts = services(&document, "host-");
    let names: BTreeSet<&str> = hosts
        .iter()
        .filter_map(|host| value(host, "hostname").as_str())
        .collect();
    assert_eq!(names.len(), 3);
    for host in hosts {
        let chosen = settings(host);
        let of = |name: &str| {
            let setting = chosen.iter().find(|(flag, _)| flag == name);
            &setting.expect("it is set").1
        };
        let goodbye = seconds(of("lame-duck-time")) + seconds(of("drain-time")) + 2;
        let grace = value(host, "stop_grace_period").as_str().expect("a time");
        assert!(seconds(grace) > goodbye, "{grace} for {goodbye} s");
        // Whatever is named by a path is mounted there.
        let mounts = value(host, "volumes").to_string();
        for (flag, path) in chosen.iter().filter(|(_, value)| value.starts_with('/')) {
            assert!(
                mounts.contains(&format!(":{path}")),
                "{flag}: {path} in {mounts}"
            );
        }
    }
}

#[test]
fn the_address_of_the_hosts_names_every_node_of_the_cluster() {
    let document = document();
    let nodes: BTreeSet<&str> = services(&document, "redis-")
        .iter()
        .filter_map(|node| node["networks"]["inside"]["ipv4_address"].as_str())
        .collect();
    assert_eq!(nodes.len(), 6);
    let creation = document["services"]["cluster"]["command"].to_string();
    for host in services(&document, "host-") {
        let chosen = settings(host);
        let url = chosen.iter().find(|(flag, _)| flag == "redis-url");
        let url = &url.expect("it is set").1;
        let named: BTreeSet<&str> = url.trim_start_matches("redis://").split(',').collect();
        assert_eq!(named, nodes);
    }
    for node in nodes {
        assert!(
            creation.contains(&format!("{node}:6379")),
            "{node} in {creation}"
        );
    }
}
