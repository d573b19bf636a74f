//! Ingest and edge hosts on a Redis Cluster, where each public channel lies on the master of its slot:
//! slots that move cost nobody anything, and a master that dies begins the numbers anew.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::arrivals::next_event;
use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::relay::{OF_ALL, OF_CHANNEL, is_in_step};
use tidegate_tests::resp::Reply;
use tidegate_tests::rights::refusals_in;
use tidegate_tests::roamer::Roamer;
use tidegate_tests::{Client, Cluster, Relay, Segment, Tidegate, eventually, millis, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";
const SYMBOLS: [&str; 8] = ["BTC", "ETH", "SOL", "ADA", "XRP", "DOT", "LTC", "UNI"];

async fn ends_with(client: &mut Client, code: u16) {
    assert_eq!(client.closed_within(secs(30)).await.0, code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_of_all_masters_have_the_same_numbers_at_every_edge() {
    let relay = Relay::in_cluster(Cluster::start().await, 2, 2).await;
    let cluster = &relay.redis;
    let mut owners = BTreeSet::new();
    for symbol in SYMBOLS {
        let key = format!("tidegate:relay:tidegate:{{candles:{symbol}-USD:1h}}");
        owners.insert(cluster.owner_of(&key, 0).await.0);
    }
    assert_eq!(owners.len(), 3, "a channel on each master");
    let mut wide = relay.subscriber(0, ["candles:*:*"]).await;
    for round in 1..=3 {
        for symbol in SYMBOLS {
            // Channels that nobody has seen before are brought with their first message.
            cluster.candle(round, symbol, round).await;
            let message = next_event(&mut wide).await;
            assert_eq!(message["channel"], format!("candles:{symbol}-USD:1h"));
            assert_eq!(
                (number_of(&message), &message["seq"]),
                (round, &json!(round))
            );
        }
    }
    let mut second = relay.edges[1].client().await;
    let channels = SYMBOLS.map(|symbol| format!("candles:{symbol}-USD:1h"));
    let answer = second
        .subscribe(channels.each_ref().map(String::as_str))
        .await;
    for channel in &channels {
        assert_eq!(answer["seq"][channel], 3);
    }
    let mut first = relay.edges[0].client().await;
    let same = first.subscribe([CHANNEL]).await;
    assert_eq!(same["epoch"], answer["epoch"]);
    for host in relay.ingests.iter().chain(&relay.edges) {
        host.metric_becomes("tidegate_relay_ingests", &[], 2.0)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_load_cost_no_message_and_no_gap() {
    let relay = Relay::in_cluster(Cluster::start().await, 2, 2).await;
    let cluster = &relay.redis;
    let accounts = [
        Account::of(relay.subscriber(0, [CHANNEL]).await),
        Account::of(relay.subscriber(1, ["candles:*:1h"]).await),
    ];
    let publisher = Publisher::start(&[cluster.nodes[0].port], 1_000);
    publisher.takes(1_000).await;
    // The slot of the channel around all masters, then that of what belongs to no channel.
    for key in [OF_CHANNEL, OF_CHANNEL, OF_CHANNEL, OF_ALL, OF_ALL] {
        cluster.move_slot(key).await;
        publisher.takes(1_000).await;
        for account in &accounts {
            account.goes_on(secs(5)).await;
        }
    }
    let taken = publisher.stop().await;
    for account in accounts {
        account.is_whole(&taken, secs(10)).await;
    }
    // New channels are found where they are noted now.
    let mut wide = relay.subscriber(0, ["candles:*:4h"]).await;
    cluster.move_slot(OF_ALL).await;
    for number in 1..4 {
        let channel = candle_channel(1, &format!("NEW{number}-USD"), "4h");
        cluster.nodes[1].publish(&channel, candle(number)).await;
        assert_eq!(number_of(&next_event(&mut wide).await), number);
    }
}

/// Clients at every edge, and events, while something befalls a master.
struct Scene {
    roamers: Vec<Roamer>,
    publisher: Publisher,
    inside: Client,
    epoch: Value,
}

impl Scene {
    /// Publishes elsewhere than at this node.
    async fn begin(relay: &Relay<Cluster>, place: usize) -> Self {
        for ingest in &relay.ingests {
            is_in_step(ingest).await;
        }
        let edges = relay.edges.iter();
        let doors: Vec<_> = edges.map(Tidegate::connect).collect();
        let roamers = (0..doors.len()).map(|first| Roamer::start(doors.clone(), first, CHANNEL));
        let roamers = roamers.collect();
        let nodes = relay.redis.nodes.iter().enumerate();
        let others = nodes.filter(|(at, _)| *at != place);
        let others = others.map(|(_, node)| (node.host().to_owned(), node.port));
        let publisher = Publisher::start_at(others.collect(), 500);
        publisher.takes(500).await;
        let mut inside = relay.edges[0].client().await;
        let epoch = inside.subscribe([CHANNEL]).await["epoch"].clone();
        Self {
            roamers,
            publisher,
            inside,
            epoch,
        }
    }

    /// The numbers begin anew; nothing came twice, and what is missing was told or lies between two
    /// connections.
    async fn numbers_begin_anew(mut self, relay: &Relay<Cluster>) {
        ends_with(&mut self.inside, 1012).await;
        self.publisher.takes(500).await;
        let taken = self.publisher.stop().await;
        until("the last event at all", secs(30), async || {
            let mut roamers = self.roamers.iter();
            roamers.all(|roamer| roamer.last() >= taken.last())
        })
        .await;
        for visit in self.roamers.iter().flat_map(Roamer::visits) {
            let faults = visit.faults(&taken, Duration::ZERO);
            assert!(faults.is_empty(), "{faults:#?}");
            assert!(matches!(visit.end, None | Some(1012)), "{:?}", visit.end);
        }
        let mut inside = relay.edges[1].client().await;
        assert_ne!(inside.subscribe([CHANNEL]).await["epoch"], self.epoch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_begins_the_numbers_anew_and_nothing_comes_twice() {
    let mut relay = Relay::in_cluster(Cluster::start().await, 2, 2).await;
    for key in [OF_CHANNEL, OF_ALL] {
        let (place, _) = relay.redis.owner_of(key, 0).await;
        let scene = Scene::begin(&relay, place).await;
        relay.redis.nodes[place].kill();
        scene.numbers_begin_anew(&relay).await;
        relay.redis.nodes[place].restart().await;
        relay.redis.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_stands_still_is_left_and_what_it_does_after_that_is_heard_by_nobody() {
    let relay = Relay::in_cluster(Cluster::start().await, 2, 2).await;
    for key in [OF_CHANNEL, OF_ALL] {
        let (place, _) = relay.redis.owner_of(key, 0).await;
        let scene = Scene::begin(&relay, place).await;
        relay.redis.nodes[place].pause();
        let lives = (place + 1) % 3;
        until("another master", secs(20), async || {
            relay.redis.owner_of(key, lives).await.0 != place
        })
        .await;
        relay.redis.nodes[place].resume();
        scene.numbers_begin_anew(&relay).await;
        relay.redis.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_cut_off_from_its_like_and_still_answers_is_left() {
    let Some(segment) = Segment::make(6) else {
        return;
    };
    let relay = Relay::in_cluster(Cluster::on(&segment).await, 2, 2).await;
    for key in [OF_CHANNEL, OF_ALL] {
        let (place, _) = relay.redis.owner_of(key, 0).await;
        let machine = u8::try_from(place + 1).expect("a small number");
        let others: Vec<u8> = (1..=6).filter(|number| *number != machine).collect();
        let scene = Scene::begin(&relay, place).await;
        segment.cut_off(machine, &others);
        scene.numbers_begin_anew(&relay).await;
        segment.join(machine, &others);
        relay.redis.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_gives_its_slots_away_begins_the_numbers_anew_once() {
    let relay = Relay::in_cluster(Cluster::start().await, 1, 1).await;
    let cluster = &relay.redis;
    let (place, _) = cluster.owner_of(OF_CHANNEL, 0).await;
    let by = (place + 1) % 3;
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    cluster.candle(by, "BTC", 1).await;
    next_event(&mut client).await;
    // Nothing is published meanwhile: it is noticed all the same.
    cluster.demote(place).await;
    ends_with(&mut client, 1012).await;
    let mut client = eventually("a subscription", secs(20), async || {
        let mut client = relay.edges[0].client().await;
        let answer = client.subscribe([CHANNEL]).await;
        (answer["seq"][CHANNEL] == 0).then_some(client)
    })
    .await;
    relay.edges[0].becomes_ready(secs(20)).await;
    for number in 2..10 {
        cluster.candle(by, "BTC", number).await;
        assert_eq!(next_event(&mut client).await["seq"], number - 1);
    }
    let renumbered = "tidegate_relay_renumbered_total";
    assert_eq!(relay.edges[0].metric(renumbered, &[]).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_stays_on_its_way_holds_up_its_own_channels_only_and_is_told() {
    let relay = Relay::in_cluster(Cluster::start().await, 1, 1).await;
    let cluster = &relay.redis;
    let [mut stuck, mut free] = relay.listeners().await;
    let (from, hash_slot) = cluster.owner_of(OF_CHANNEL, 0).await;
    let to = (from + 1) % 3;
    cluster.begin_to_move(&hash_slot, from, to).await;
    cluster.move_key(OF_CHANNEL, from, to).await;
    cluster.candle(0, "BTC", 2).await;
    let gap = eventually("a gap", secs(20), async || {
        let text = stuck.text_within(millis(200)).await?;
        let message: Value = serde_json::from_str(&text).expect("JSON");
        (message["type"] == "gap").then_some(message)
    })
    .await;
    assert_eq!(gap["reason"], "transform");
    // From now on they are let go at once, and others do not wait for them.
    for number in 3..200 {
        cluster.candle(0, "BTC", number).await;
        cluster.candle(0, "ETH", number).await;
    }
    until("the others", secs(20), async || {
        let text = free.text_within(secs(1)).await.unwrap_or_default();
        text.contains("\"seq\":198,") || text.contains("\"seq\":198}")
    })
    .await;
    // Who comes now is told where it stands, though the number is on the other node already.
    let mut late = relay.edges[0].client().await;
    assert_eq!(late.subscribe([CHANNEL]).await["seq"][CHANNEL], 1);
    cluster.end_the_move(&hash_slot, from, to).await;
    eventually("a message", secs(20), async || {
        cluster.candle(0, "BTC", 1_000).await;
        let text = stuck.text_within(millis(300)).await?;
        text.contains("\"data\"").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_rules_are_enough_for_both_roles_in_a_cluster() {
    let relay = Relay::in_cluster(Cluster::start().await, 0, 0).await;
    let allow = async |cluster: &Cluster, command: &[&str]| {
        let mut answer = Reply::Nil;
        for node in &cluster.nodes {
            answer = node.ask(command).await;
        }
        answer
    };
    let relay = relay.with_printed_rights(allow).await;
    let cluster = &relay.redis;
    let mut client = relay.subscriber(0, ["candles:*:*"]).await;
    cluster.candle(1, "BTC", 1).await;
    assert_eq!(next_event(&mut client).await["seq"], 1);
    // What is asked of a slot that is on its way is asked of the node that it goes to.
    for key in [OF_CHANNEL, OF_ALL] {
        let (from, hash_slot) = cluster.owner_of(key, 0).await;
        let to = (from + 1) % 3;
        cluster.begin_to_move(&hash_slot, from, to).await;
        cluster.move_key(key, from, to).await;
        let mut late = relay.edges[0].client().await;
        assert_eq!(late.subscribe([CHANNEL]).await["seq"][CHANNEL], 1);
        late.close().await;
        cluster.end_the_move(&hash_slot, from, to).await;
    }
    cluster.candle(1, "BTC", 2).await;
    assert_eq!(next_event(&mut client).await["seq"], 2);
    client.close().await;
    for node in &cluster.nodes {
        let log = node.ask(&["ACL", "LOG"]).await;
        assert_eq!(refusals_in(&log), [""; 0]);
    }
}
