//! The kit itself: what the other tests lean on, tried without Tidegate.

use tidegate_tests::resp::{Reply, Resp};
use tidegate_tests::{Guest, Proxy, Redis, millis, secs, until};
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
    let all = [
        ("a".to_owned(), "y".to_owned()),
        ("b".to_owned(), "z".to_owned()),
    ];
    redis.publish_all(all).await;
    listener.reply().await.expect("x");
    let Reply::Array(parts) = listener.reply().await.expect("y") else {
        panic!("a message is an array");
    };
    assert_eq!(parts[2].text(), "y");
    redis.pause();
    let mut other = Resp::connect(redis.port())
        .await
        .expect("the kernel accepts");
    assert!(timeout(millis(200), other.ask(&[b"PING"])).await.is_err());
    redis.resume();
    let pong = timeout(secs(5), other.reply()).await.expect("in time");
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
