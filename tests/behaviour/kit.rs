//! The kit itself: what the other tests lean on, tried by itself.

use tidegate_tests::guest::{Breaking, FEED, Failing};
use tidegate_tests::resp::{Reply, Resp};
use tidegate_tests::{Feed, Guest, Proxy, Redis, Setup, Tidegate, Transform, millis, secs, until};
use tokio::time::timeout;

#[tokio::test]
async fn a_redis_publishes_stands_still_and_comes_back_on_its_port() {
    let mut redis = Redis::start().await;
    let mut listener = Resp::connect(redis.port()).await.expect("it listens");
    listener
        .ask(&[b"SUBSCRIBE", b"a"])
        .await
        .expect("subscribed");
    assert_eq!(redis.publish("a", "x").await, 1);
    let messages = [
        ("a".to_owned(), "y".to_owned()),
        ("b".to_owned(), "z".to_owned()),
    ];
    redis.publish_all(messages).await;
    listener.reply().await.expect("x");
    let Reply::Array(parts) = listener.reply().await.expect("y") else {
        panic!("a message is an array");
    };
    assert_eq!(parts[2].text(), "y");
    redis.pause();
    let mut subscriber = Resp::connect(redis.port())
        .await
        .expect("the kernel accepts");
    assert!(
        timeout(millis(200), subscriber.ask(&[b"PING"]))
            .await
            .is_err()
    );
    redis.resume();
    let pong = timeout(secs(5), subscriber.reply()).await.expect("in time");
    assert_eq!(pong.expect("an answer").text(), "PONG");
    redis.restart(&["maxclients 100"]).await;
    assert_eq!(redis.publish("a", "x").await, 0);
}

#[tokio::test]
async fn a_redis_with_tls_opens_a_second_port() {
    let redis = Redis::builder().tls().start().await;
    let (url, authority) = redis.tls_url();
    assert!(authority.is_file());
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    let mut plain = Resp::connect(port.expect("a port"))
        .await
        .expect("it listens");
    let answer = timeout(secs(2), plain.ask(&[b"PING"])).await;
    assert!(
        !matches!(answer, Ok(Ok(Reply::Simple(_)))),
        "plain words on a TLS port"
    );
}

#[tokio::test]
async fn a_proxy_loses_the_far_side_behind_the_near_sides_back() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port()).await;
    let mut listener = Resp::connect(proxy.port()).await.expect("it listens");
    listener
        .ask(&[b"SUBSCRIBE", b"a"])
        .await
        .expect("subscribed");
    assert_eq!(redis.publish("a", "x").await, 1);
    listener.reply().await.expect("x");
    proxy.lose_far_side();
    until("the subscription to be gone", secs(2), async || {
        redis.publish("a", "x").await == 0
    })
    .await;
    let pong = listener.ask(&[b"PING"]).await.expect("still open");
    assert_eq!(pong.text(), "PONG");
    proxy.go_silent();
    assert!(
        timeout(millis(200), listener.ask(&[b"PING"]))
            .await
            .is_err()
    );
    proxy.speak();
    proxy.cut();
    assert!(listener.reply().await.is_err());
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn the_component_written_by_hand_can_be_assembled() {
    let bytes = Guest::ticks().binary();
    assert_eq!(bytes[..8], *b"\0asm\x0d\0\x01\0");
}

/// What `serve --check` says of a component from text.
fn checked(guest: &Guest) -> (bool, String) {
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let file = guest.write(&setup.path(""));
    setup.transform(Transform::file(&file)).check()
}

#[test]
fn every_revision_of_the_kit_is_what_it_says() {
    let failing = [
        Failing::Trap,
        Failing::Loop,
        Failing::Guard,
        Failing::Memory,
        Failing::Output,
        Failing::Slow,
        Failing::Mute,
        Failing::Rejecting,
    ];
    let breaking = [
        Breaking::FieldGone,
        Breaking::Retyped,
        Breaking::MessageType,
        Breaking::Parameter,
    ];
    let mut sound = vec![
        Guest::stamped("a"),
        Guest::wider("a"),
        Guest::showing_settings("a"),
        Guest::stamped("a").named("tocks"),
        Guest::stamped("a").listening_to("feed:tocks:"),
    ];
    sound.extend(failing.map(|how| Guest::stamped("a").failing(how)));
    sound.extend(breaking.map(|how| Guest::breaking("a", how)));
    for guest in &sound {
        let (accepted, said) = checked(guest);
        assert!(accepted, "{said}\n{}", guest.text());
    }
    for (guest, word) in [
        (Guest::needing_settings("a"), "mark is missing"),
        (Guest::trapping_at_configure("a"), "unreachable"),
        (Guest::lying_in_samples("a"), "sample 1"),
    ] {
        let (accepted, said) = checked(&guest);
        assert!(!accepted && said.contains(word), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_has_every_tick_of_a_feed_and_one_that_comes_late_says_so() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = Guest::stamped("a").write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    let follower = tidegate.subscriber(["ticks:*"]).await.follow();
    let feed = Feed::start(&redis, &["AB", "XY"], 1000).await;
    feed.sends(100).await;
    let late = tidegate.subscriber(["ticks:*"]).await.follow();
    feed.sends(100).await;
    let sent = feed.stop().await;
    follower.has_all(&sent, secs(10)).await;
    assert_eq!(follower.marks("AB"), ["a"]);
    until("the late one to say so", secs(5), async || {
        late.look(|seen| {
            seen.wrong
                .iter()
                .any(|what| what.contains("number 0 was due"))
        })
    })
    .await;
}

#[tokio::test]
async fn each_failing_revision_fails_on_live_events_as_it_says() {
    for how in [
        Failing::Trap,
        Failing::Loop,
        Failing::Guard,
        Failing::Memory,
        Failing::Output,
        Failing::Slow,
    ] {
        let redis = Redis::start().await;
        let setup = Tidegate::on(&redis);
        let file = Guest::stamped("a").failing(how).write(&setup.path(""));
        let tidegate = setup.transform(Transform::file(&file)).start().await;
        let mut client = tidegate.subscriber(["ticks:*"]).await;
        for symbol in ["XY", "AB"] {
            redis
                .publish(&format!("{FEED}{symbol}"), r#"{"n":1}"#)
                .await;
        }
        while client.next_json().await["channel"] != "ticks:AB" {}
        let (name, label) = match how {
            Failing::Guard => ("tidegate_guard_blocks_total", "reason"),
            _ => ("tidegate_transform_faults_total", "kind"),
        };
        let counted = tidegate.metric(name, &[(label, how.word())]).await;
        let seconds = tidegate.metric("tidegate_transform_seconds_sum", &[]).await;
        if how == Failing::Slow {
            assert!((0.000_5..0.05).contains(&seconds), "{seconds} s");
        } else {
            assert_eq!(counted, 1.0, "{how:?}");
        }
    }
}
