//! The WASI that default builds find: clocks that stand still, streams that end in the log, and
//! nothing else. Functions of it are called, and the guest traps where they answer otherwise.

use tidegate_tests::binary::said;
use tidegate_tests::checked::{check, is_refused};
use tidegate_tests::{Guest, Redis, Setup, Stage, Tidegate, Transform, eventually, secs};

const CLOCKS: &str = r#"
  (import "wasi:io/poll@0.2.3" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $steady
    (export "pollable" (type $p (eq $pollable)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:clocks/wall-clock@0.2.3" (instance $wall
    (type $d (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $d)))
    (export "now" (func (result $datetime)))))"#;

const STREAMS: &str = r#"
  (import "wasi:io/error@0.2.3" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "error" (type $e (eq $error)))
    (type $v (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $failure (eq $v)))
    (export "output-stream" (type $o (sub resource)))
    (export "[method]output-stream.write" (func (param "self" (borrow $o))
      (param "contents" (list u8)) (result (result (error $failure)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (export "output-stream" (type $o (eq $output)))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:cli/stderr@0.2.3" (instance $stderr
    (export "output-stream" (type $o (eq $output)))
    (export "get-stderr" (func (result (own $o))))))"#;

/// Of what a network has, as much as it takes to ask for a socket.
const SOCKETS: &str = r#"
  (import "wasi:sockets/network@0.2.3" (instance $network
    (type $c (enum "unknown" "access-denied"))
    (export "error-code" (type (eq $c)))
    (type $f (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type (eq $f)))))
  (alias export $network "error-code" (type $code))
  (alias export $network "ip-address-family" (type $kind))
  (import "wasi:sockets/tcp@0.2.3" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $socket))
  (import "wasi:sockets/tcp-create-socket@0.2.3" (instance $create
    (export "tcp-socket" (type $s (eq $socket)))
    (export "error-code" (type $e (eq $code)))
    (export "ip-address-family" (type $f (eq $kind)))
    (export "create-tcp-socket" (func (param "address-family" $f)
      (result (result (own $s) (error $e)))))))"#;

const EXIT: &str = r#"
  (import "wasi:cli/exit@0.2.3" (instance $exit
    (export "exit" (func (param "status" (result))))))"#;

/// Of a guest that calls these functions where it is configured.
fn ticks(imports: &str, functions: &[(&str, &str, &str)]) -> Guest {
    let guest = Guest::ticks().component_fields(imports);
    let functions = functions.iter();
    functions.fold(guest, |guest, (name, core_type, canon)| {
        guest.host(name, core_type, canon)
    })
}

const CLOCK_FUNCTIONS: [(&str, &str, &str); 4] = [
    (
        "now",
        "(param i32)",
        r#"(canon lower (func $wall "now") (memory $memory))"#,
    ),
    (
        "steady",
        "(result i64)",
        r#"(canon lower (func $steady "now"))"#,
    ),
    (
        "later",
        "(param i64) (result i32)",
        r#"(canon lower (func $steady "subscribe-duration"))"#,
    ),
    (
        "block",
        "(param i32)",
        r#"(canon lower (func $poll "[method]pollable.block"))"#,
    ),
];

const STREAM_FUNCTIONS: [(&str, &str, &str); 3] = [
    (
        "stdout",
        "(result i32)",
        r#"(canon lower (func $stdout "get-stdout"))"#,
    ),
    (
        "stderr",
        "(result i32)",
        r#"(canon lower (func $stderr "get-stderr"))"#,
    ),
    (
        "put",
        "(param i32 i32 i32 i32)",
        r#"(canon lower (func $streams "[method]output-stream.write") (memory $memory))"#,
    ),
];

fn is_taken(guest: &Guest) {
    let (accepted, said) = check(guest);
    assert!(accepted, "{said}");
}

#[test]
fn before_the_first_event_clocks_stand_at_the_beginning_and_nothing_is_waited_for() {
    is_taken(&ticks(CLOCKS, &CLOCK_FUNCTIONS).configure(
        "(call $now (i32.const 0x3000))
         (if (i64.ne (i64.load (i32.const 0x3000)) (i64.const 0)) (then (unreachable)))
         (if (i64.ne (call $steady) (i64.const 0)) (then (unreachable)))
         (call $block (call $later (i64.const 3600000000000)))
         (if (i64.ne (call $steady) (i64.const 0)) (then (unreachable)))",
    ));
}

#[tokio::test]
async fn during_an_event_clocks_show_when_it_was_received_from_its_beginning_to_its_end() {
    let guest = ticks(CLOCKS, &CLOCK_FUNCTIONS).when_bad(
        "(call $now (i32.const 0x3000))
         ;; Some time in this century, and the same by both clocks.
         (if (i64.lt_u (i64.load (i32.const 0x3000)) (i64.const 1700000000))
           (then (unreachable)))
         (if (i64.ne (call $steady) (i64.add
             (i64.mul (i64.load (i32.const 0x3000)) (i64.const 1000000000))
             (i64.load32_u (i32.const 0x3008))))
           (then (unreachable)))
         (i64.store (i32.const 0x3010) (call $steady))
         (i32.store (i32.const 0x3020) (i32.const 3000000))
         (loop $l (i32.store (i32.const 0x3020)
             (i32.sub (i32.load (i32.const 0x3020)) (i32.const 1)))
           (br_if $l (i32.load (i32.const 0x3020))))
         (if (i64.ne (call $steady) (i64.load (i32.const 0x3010))) (then (unreachable)))",
    );
    let stage = Stage::with(&guest).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    let payload = r#"{"price":"1"}"#;
    stage.redis.publish("feed:ticks:XY", payload).await;
    let message = client.next_data().await;
    assert_eq!(message["channel"], "ticks:XY");
}

#[tokio::test]
async fn what_is_written_to_standard_output_and_error_are_lines_of_the_log() {
    let text = "first\\nsecond\\nnever ended";
    let guest = ticks(STREAMS, &STREAM_FUNCTIONS)
        .fields(&format!("(data (i32.const 0x3100) \"{text}\")"))
        .when_bad(
            "(call $put (call $stdout) (i32.const 0x3100) (i32.const 13) (i32.const 0x3000))
             (call $put (call $stderr) (i32.const 0x3100) (i32.const 24) (i32.const 0x3000))",
        );
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).env("TIDEGATE_LOG", "info");
    let file = guest.write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    redis.publish("feed:ticks:XY", r#"{"price":"1"}"#).await;
    for (line, level) in [
        ("first", "INFO"),
        ("second", "INFO"),
        ("never ended", "WARN"),
    ] {
        eventually(line, secs(10), async || {
            let log = tidegate.stderr().text();
            let mut lines = log.lines();
            let found = lines.any(|said| said.contains(line) && said.contains(level));
            found.then_some(())
        })
        .await;
    }
    let labels = [("transform", "ticks"), ("outcome", "written")];
    let name = "tidegate_guest_log_lines_total";
    tidegate.metric_becomes(name, &labels, 5.0).await;
}

#[test]
fn an_exit_is_a_trap_that_says_so() {
    let exit = [(
        "exit",
        "(param i32)",
        r#"(canon lower (func $exit "exit"))"#,
    )];
    let guest = ticks(EXIT, &exit).configure("(call $exit (i32.const 1))");
    is_refused(&guest, &["it called exit, with code 1"]);
}

#[test]
fn a_socket_is_asked_for_and_denied() {
    let create = [(
        "create",
        "(param i32 i32)",
        r#"(canon lower (func $create "create-tcp-socket") (memory $memory))"#,
    )];
    // An error, and of the errors that of access.
    is_taken(&ticks(SOCKETS, &create).configure(
        "(call $create (i32.const 0) (i32.const 0x3000))
         (if (i32.ne (i32.load8_u (i32.const 0x3000)) (i32.const 1)) (then (unreachable)))
         (if (i32.ne (i32.load8_u (i32.const 0x3004)) (i32.const 1)) (then (unreachable)))",
    ));
}

#[test]
fn as_much_is_written_at_a_time_as_the_stream_says_that_it_takes() {
    let writing = |bytes: u32| {
        ticks(STREAMS, &STREAM_FUNCTIONS).configure(&format!(
            "(call $put (call $stdout) (i32.const 0x3100) (i32.const {bytes}) (i32.const 0x3000))"
        ))
    };
    is_taken(&writing(4096));
    is_refused(&writing(4097), &["4097 bytes at a time", "takes 4096"]);
}

#[test]
fn handles_are_bounded_and_the_bound_is_named() {
    let holding = |count: u32| {
        ticks(STREAMS, &STREAM_FUNCTIONS).configure(&format!(
            "(i32.store (i32.const 0x3000) (i32.const {count}))
             (loop $l (drop (call $stdout))
               (i32.store (i32.const 0x3000)
                 (i32.sub (i32.load (i32.const 0x3000)) (i32.const 1)))
               (br_if $l (i32.load (i32.const 0x3000))))"
        ))
    };
    is_taken(&holding(1_000));
    is_refused(&holding(1_001), &["more than 1000 handles"]);
}

#[tokio::test]
async fn a_check_says_what_is_imported_and_what_it_gets() {
    let stage = Stage::with(&Guest::ticks()).await;
    let guest = ticks(CLOCKS, &[]).binary();
    let answer = stage.admin.post_bytes("/v1/check", &guest).await.done();
    let gets = |name: &str| {
        let imports = answer["imports"].as_array().expect("a list");
        let import = imports.iter().find(|import| import["name"] == name);
        import.expect(name)["gets"]
            .as_str()
            .expect("words")
            .to_owned()
    };
    let clock = gets("wasi:clocks/wall-clock@0.2.3");
    assert!(clock.contains("received-at"), "{clock}");
    assert!(gets("tidegate:transform/log@1.0.0").contains("log"));
    let file = stage.tidegate.path("clocks.wasm");
    std::fs::write(&file, &guest).expect("a file in one's own folder");
    let said = stage
        .tidegate
        .transform(&["check", "--on-host", &file.to_string_lossy()])
        .await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for word in ["wasi:clocks/wall-clock@0.2.3", "IT GETS", "received-at"] {
        assert!(said.contains(word), "{word} in {said}");
    }
}

#[tokio::test]
async fn a_push_and_a_check_of_all_settings_say_so_too() {
    let words = ["wasi:clocks/wall-clock@0.2.3", "IT GETS", "received-at"];
    let stage = Stage::with(&Guest::ticks()).await;
    for (guest, says) in [
        (ticks(CLOCKS, &[]), true),
        (Guest::ticks().version("1.0.1"), false),
    ] {
        let file = guest.write(&stage.tidegate.path(""));
        let pushed = stage
            .tidegate
            .transform(&["push", &file.to_string_lossy()])
            .await;
        let setup = Setup::new("redis://127.0.0.1:1").not_ready();
        let (accepted, checked) = setup.transform(Transform::file(&file)).check();
        assert!(accepted, "{checked}");
        for (said, word) in [said(&pushed), checked]
            .iter()
            .flat_map(|said| words.map(|word| (said, word)))
        {
            assert_eq!(said.contains(word), says, "{word} in {said}");
        }
    }
    let answer = stage.admin.try_push(&ticks(CLOCKS, &[])).await.done();
    let imports = answer["imports"].as_array().expect("a list");
    let clock = imports.iter().find(|import| import["name"] == words[0]);
    let gets = clock.expect("it imports it")["gets"].as_str();
    assert!(gets.expect("words").contains(words[2]), "{answer:#}");
}

#[test]
fn of_another_version_or_package_nothing_is_there() {
    for import in [
        "wasi:clocks/wall-clock@0.3.0",
        "wasi:keyvalue/store@0.2.0",
        "wasi:clocks/sundial@0.2.0",
    ] {
        let fields = format!("(import \"{import}\" (instance))");
        is_refused(
            &Guest::ticks().component_fields(&fields),
            &[import, "WASI 0.2"],
        );
    }
}

#[test]
fn a_function_of_another_type_than_wasi_has_is_told() {
    let fields = r#"(import "wasi:random/random@0.2.3" (instance
        (export "get-random-u64" (func (result string)))))"#;
    let guest = Guest::ticks().component_fields(fields);
    is_refused(&guest, &["wasi:random/random@0.2.3", "get-random-u64"]);
}
